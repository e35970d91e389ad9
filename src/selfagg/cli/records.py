"""Which records a command works on: where new ones go, and which ones the user names."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from selfagg.cli.stopping import finished_generations
from selfagg.errors import UsageError

FOLDER = Path("runs")


@contextmanager
def record_file(given: Path | None, *words: str) -> Iterator[Path]:
    """The file that the user names, or a new one, which goes away again if the run fails before it has anything.

    Args:
        given: The user's, or None.
        *words: What a new file's name says of the run.

    Raises:
        UsageError: No file can be made there.
    """
    if given is not None:
        yield given
        return
    path = _new(FOLDER, "-".join(_plain(word) for word in words))
    try:
        yield path
    except BaseException:
        if not finished_generations(path):
            for file in path.parent.glob(f"{path.name}*"):
                file.unlink(missing_ok=True)
        raise


@contextmanager
def out_folder(given: Path | None, *words: str) -> Iterator[Path]:
    """The folder that the user names, or a new one, which goes away again if nothing was generated.

    Args:
        given: The user's, or None.
        *words: What a new folder's name says of the runs.

    Raises:
        UsageError: It is a file, or cannot be made.
    """
    folder = given or _unused(FOLDER / f"{time.strftime('%Y%m%d-%H%M%S')}-{'-'.join(map(_plain, words))}")
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror or error}") from None
    try:
        yield folder
    except BaseException:
        if new and not finished_generations(folder):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _unused(folder: Path) -> Path:
    """Return a name that no other run of the same second has taken."""
    names = (folder.with_name(f"{folder.name}{f'-{number}' if number > 1 else ''}") for number in count(1))
    return next(name for name in names if not name.exists())


def _new(folder: Path, name: str) -> Path:
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            path = folder / f"{stem}{f'-{number}' if number > 1 else ''}.sqlite"
            try:
                path.touch(exist_ok=False)  # so that of two runs begun in the same second each has its own
            except FileExistsError:
                continue
            return path
    except OSError as error:
        raise UsageError(
            f"cannot make a record in {folder}: {error.strerror or error}; name one with --record"
        ) from None
    raise AssertionError


def _plain(word: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "-", word).strip("-.")[:40] or "run"
