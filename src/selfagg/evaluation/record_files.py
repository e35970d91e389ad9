"""Records by the names of their files and folders: found, opened, merged, reported and drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from selfagg._internal.arguments import check_paths
from selfagg._internal.extras import extras_named
from selfagg._internal.files import kind_of
from selfagg.analysis.missing import Missing
from selfagg.analysis.plots import PanelName
from selfagg.analysis.plots import plot as draw
from selfagg.errors import UsageError
from selfagg.methods import RSA
from selfagg.record.merge import merge_records
from selfagg.record.record import Record

RecordPath = str | Path

_SQLITE = b"SQLite format 3\0"


def is_record(path: Path) -> bool:
    """Return True if a path looks like a record, or like a folder of records."""
    if path.is_dir():
        return any(path.glob("*.sqlite"))
    if path.suffix == ".sqlite" or kind_of(path):
        return path.suffix == ".sqlite"
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def records_of(paths: RecordPath | Sequence[RecordPath]) -> list[Path]:
    """Return the records that are named, or UsageError; those of a folder in the order of their names, RSA's first."""
    found: list[Path] = []
    for path in map(Path, [paths] if isinstance(paths, str | Path) else paths):
        inside = sorted(path.glob("*.sqlite"), key=lambda file: (not file.name.startswith(f"{RSA.name}-"), file.name))
        if path.is_dir() and not inside:
            raise UsageError(f"the folder {path} holds no record (*.sqlite)")
        found += inside if path.is_dir() else [path]
    return found


@contextmanager
def opened_record(path: RecordPath) -> Iterator[Record]:
    """Open a record for reading; raise UsageError if there is none, or no run was begun in it."""
    check_paths(record=path)
    with Record(Path(path), read_only=True) as record:
        record.check_run()
        yield record


def merge(records: Sequence[RecordPath], out: RecordPath) -> int:
    """Merge the records of one run's shards, each generation once; merging again adds what is new.

    Args:
        records: Records, or folders of them.
        out: The record to write or to add to; may be one of them.

    Returns:
        How many generations were new in ``out``.

    Raises:
        UsageError: A record cannot be read or written, or is of another run.
    """
    target = Path(out)
    sources = [path for path in records_of(records) if path.resolve() != target.resolve()]
    with ExitStack() as stack:
        opened = [stack.enter_context(opened_record(path)) for path in sources]
        return merge_records(stack.enter_context(Record(target)), opened)


def report(records: RecordPath | Sequence[RecordPath], out: RecordPath, *, title: str | None = None) -> Path:
    """Write one self-contained HTML file: the comparison, the curves, and every question with all its members.

    Args:
        records: Records, or folders of records.
        out: The file to write; an older one is replaced.
        title: The page's heading; None: the questions and the methods.

    Returns:
        The file.

    Raises:
        UsageError: There is no record, one cannot be read, or the file cannot be written.
    """
    with extras_named():
        from selfagg.html_report.build import build_report as build

        build(records_of(records), Path(out), title=title)
    return Path(out)


def plot(records: RecordPath | Sequence[RecordPath], out: RecordPath, panel: PanelName | None = None) -> Missing:
    """Draw accuracy by population and against tokens, diversity, lengths, r_c and the accuracy that it predicts.

    Args:
        records: Records, or folders of records.
        out: The file to write; its ending says PNG, SVG or PDF.
        panel: One panel alone, a column wide: ``accuracy``, ``pass``, ``cost``, ``diversity``, ``length``,
            ``r_c`` or ``predicted``; None: all. One curve is one method, its seeds pooled.

    Returns:
        What the runs lack: members without a reply or a score.

    Raises:
        UsageError: A record cannot be read, matplotlib is missing, or the file cannot be written.
    """
    with ExitStack() as opened:
        opened.enter_context(extras_named())
        given = [opened.enter_context(opened_record(path)) for path in records_of(records)]
        draw(given, Path(out), panel)
        return sum(map(Missing.of, given), Missing())
