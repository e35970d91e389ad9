"""Which records a command works on: where new ones go, and which ones the user names."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from selfagg.cli.stopping import finished_generations
from selfagg.errors import UsageError
from selfagg.files import kind_of

FOLDER = Path("runs")
_SQLITE = b"SQLite format 3\0"


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
    folder = given or FOLDER / f"{time.strftime('%Y%m%d-%H%M%S')}-{'-'.join(map(_plain, words))}"
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


def is_record(path: Path) -> bool:
    """Whether a path looks like a record, or like a folder of records."""
    if path.is_dir():
        return any(path.glob("*.sqlite"))
    if path.suffix == ".sqlite" or kind_of(path):
        return path.suffix == ".sqlite"
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def records_of(paths: Sequence[Path]) -> list[Path]:
    """The records that the user names, those of a folder in the order of their names, RSA's first.

    Raises:
        UsageError: A folder has none.
    """
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("*.sqlite"), key=lambda file: (not file.name.startswith("rsa-"), file.name))
        if path.is_dir() and not inside:
            raise UsageError(f"the folder {path} holds no record (*.sqlite)")
        found += inside if path.is_dir() else [path]
    return found


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
