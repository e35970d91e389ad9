"""Where workers keep their records: on a disk of their own machine, for SQLite's log wants no network file system."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from selfagg.cluster.job import Leftovers
from selfagg.errors import UsageError
from selfagg.record.merge import part_of
from selfagg.record.record import Record, RecordInUse


def run_folder(run: str) -> Path:
    """This machine's folder for the workers of a run, made so that nobody else can read it.

    Args:
        run: The run's own name.

    Raises:
        UsageError: Somebody else has made it.
    """
    base = Path(tempfile.gettempdir()) / f"selfagg-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    found = base.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise UsageError(f"{base} is not a private folder of yours: remove it, or set TMPDIR")
    folder = base / run
    folder.mkdir(exist_ok=True)
    return folder


def leftovers(run: str, done: Collection[int]) -> Leftovers:
    """What ended workers of a run have left here.

    Args:
        run: The run's own name.
        done: Positions of questions that nobody needs any more.
    """
    parts, files, busy = [], [], 0
    for file in sorted(run_folder(run).glob("*.sqlite")):
        try:
            with Record(file) as record:
                positions = [p for (p,) in record.query("SELECT position FROM questions") if p not in done]
                parts += [part_of(record, position) for position in positions]
        except RecordInUse:
            busy += 1
            continue
        files.append(str(file))
    return Leftovers(tuple(parts), tuple(files), busy)


def forget(files: Sequence[str]) -> None:
    """Removes records whose content is safe elsewhere."""
    for name in files:
        file = Path(name)
        for beside in file.parent.glob(f"{file.name}*"):
            beside.unlink(missing_ok=True)
    for folder in {Path(name).parent for name in files}:
        if not any(folder.iterdir()):
            folder.rmdir()
