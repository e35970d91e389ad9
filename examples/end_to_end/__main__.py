"""Trains end to end; see the package."""

from examples.end_to_end import main

main()
