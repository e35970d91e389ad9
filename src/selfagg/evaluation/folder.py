"""The folder that keeps the records of several runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from selfagg.errors import UsageError


@contextmanager
def folder_for(out: str | Path | None) -> Iterator[Path]:
    """Return the folder for the records, made if it is not there; None: one that is gone after the block.

    Raises:
        UsageError: It is a file, or cannot be made.
    """
    if out is None:
        with TemporaryDirectory(prefix="selfagg-") as folder:
            yield Path(folder)
        return
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {out}: {error.strerror or error}") from None
    yield Path(out)
