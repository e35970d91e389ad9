"""``python -m selfagg``: the same as the ``selfagg`` command."""

from selfagg.cli import main

if __name__ == "__main__":
    main()
