"""The place of a command's new records."""

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
from selfagg.evaluation.folder import folder_for

FOLDER = Path("runs")


@contextmanager
def record_file(given: Path | None, *words: str) -> Iterator[Path]:
    """Return the file that the user names, or a new one, which is removed if the run fails with nothing in it.

    Args:
        given: The user's, or None.
        *words: What a new file's name says of the run.

    Raises:
        UsageError: No file can be made there.
    """
    if given is not None:
        yield given
        return
    path = _new(words, ".sqlite")
    try:
        yield path
    except BaseException:
        if not finished_generations(path):
            for file in path.parent.glob(f"{path.name}*"):
                file.unlink(missing_ok=True)
        raise


@contextmanager
def out_folder(given: Path | None, *words: str) -> Iterator[Path]:
    """Return the folder that the user names, or a new one, which is removed if nothing was generated.

    Args:
        given: The user's, or None.
        *words: What a new folder's name says of the runs.

    Raises:
        UsageError: It is a file, or cannot be made.
    """
    new = given is None or not given.exists()
    folder = _new(words) if given is None else given
    try:
        with folder_for(folder):
            yield folder
    except BaseException:
        if new and not finished_generations(folder):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _new(words: Sequence[str], ending: str = "") -> Path:
    """Make a file or a folder under runs/ that no other run, of the same second either, has taken."""
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{'-'.join(map(_plain, words))}"
    for number in count(1):
        path = FOLDER / f"{stem}{f'-{number}' if number > 1 else ''}{ending}"
        try:
            FOLDER.mkdir(parents=True, exist_ok=True)
            if ending:
                path.touch(exist_ok=False)
            else:
                path.mkdir()
        except FileExistsError:
            if not FOLDER.is_dir():
                raise UsageError(f"cannot make anything in {FOLDER}: it is a file") from None
        except OSError as error:
            option = "--record" if ending else "--out"
            raise UsageError(
                f"cannot write in {FOLDER}: {error.strerror or error}; name another place: {option}"
            ) from None
        else:
            return path
    raise AssertionError


def _plain(word: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "-", word).strip("-.")[:40] or "run"
