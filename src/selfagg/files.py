"""Files that are there whole or not at all, and who may write them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file to write, which takes the place of ``path`` when the block ends well.

    What stood there before stays until then, and for good if the block fails, the process is killed or the power goes.

    Raises:
        OSError: It cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        sync(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Writes a text so, in UTF-8.

    Raises:
        OSError: It cannot be written.
    """
    with whole(path) as partial:
        partial.write_text(text, "utf-8")


def lock(path: Path) -> FileLock:
    """The right to write a file or a folder, until it is released.

    The lock is a hidden file beside the path: what a shell's ``*`` finds are the things themselves.

    Raises:
        filelock.Timeout: Another process has it.
        OSError: The place cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    resolved = path.resolve()
    taken = FileLock(resolved.with_name(f".{resolved.name}.lock"), blocking=False)
    taken.acquire()
    return taken


def sync(path: Path) -> None:
    """Returns once a file's content, or a folder's entries, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """A file's digest, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
