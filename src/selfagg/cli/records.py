"""Where a run is recorded when the user names no file."""

from __future__ import annotations

import re
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
                file.unlink()
        raise


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
