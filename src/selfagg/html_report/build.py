"""Build the report of one record or of several that are compared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from selfagg import __version__
from selfagg._internal.files import whole
from selfagg._internal.machine import cores
from selfagg.analysis.member_outcomes import answered
from selfagg.errors import UsageError
from selfagg.html_report import cells, figures
from selfagg.html_report.comparison import compared, methods
from selfagg.html_report.page import pieces
from selfagg.html_report.texts import packed
from selfagg.methods import method_named
from selfagg.prompts.prompt import candidate_format_named
from selfagg.record.record import Record

ALONE = 4_000_000
"""Characters of replies from which the work of typesetting is shared among processes."""

_BATCH = 4
_COUNT = re.compile(r", \d+ questions?\b")


def build_report(records: Sequence[Path], out: Path, *, title: str | None = None) -> None:
    """Write one self-contained HTML file: comparison, curves, and every question with all its members.

    Args:
        records: The records' files; they may differ in method, seed and model.
        out: The file to write; an older one is replaced.
        title: The page's heading; None: what was asked and which methods answered.

    Raises:
        UsageError: There is no record, one cannot be read, or the file cannot be written.
    """
    if not records:
        raise UsageError("a report needs at least one record")
    with ExitStack() as opened:
        given = [opened.enter_context(Record(path, read_only=True)) for path in records]
        for record in given:
            record.check_run()
        read = [list(answered(record)) for record in given]  # a record's outcomes are small, its texts are not
        told = [figures.record_figures(record, questions) for record, questions in zip(given, read, strict=True)]
        between = compared(given, told)
        for entry, record in zip(told, given, strict=True):
            entry["questions"] = cells.questions(record, _sizes(record))
        data = {"records": told, "methods": methods(given, read), **between}
        made = f"Made by selfagg {__version__} on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC."
        page = pieces(title or _title(given), made, data, _texts(zip(records, given, strict=True)))
        _write(out, page)


def _sizes(record: Record) -> dict[int, int]:
    """Return members of each population, as the method has them and not only as far as they are there."""
    settings = record.configuration["method"]
    try:
        method = method_named(settings["name"], **{key: value for key, value in settings.items() if key != "name"})
    except UsageError:  # a user's own method that no package registers
        return dict(record.query("SELECT t, max(i) + 1 FROM generations WHERE role = 'candidate' GROUP BY t"))
    return {t: method.size(t) for t in range(1, method.t + 1)}


def _title(records: Sequence[Record]) -> str:
    sources = dict.fromkeys(_COUNT.split(str(record.configuration.get("source", "")))[0] for record in records)
    models = dict.fromkeys(_model(str(record.configuration.get("model", ""))) for record in records)
    return f"{', '.join(sources)} with {', '.join(models)}"


def _model(name: str) -> str:
    return "a simulated model" if name.startswith("simulated") else name.partition(":")[2] or name


def _texts(records: Iterable[tuple[Path, Record]]) -> Iterator[tuple[str, str]]:
    for number, (path, record) in enumerate(records):
        for position, text in enumerate(_packed(path, record)):
            yield f"texts-{number}-{position}", text


def _packed(path: Path, record: Record) -> Iterator[str]:
    """Yield the packed texts of each question, in order; with processes where there is much to do."""
    ((count,),) = record.query("SELECT count(*) FROM questions")
    ((size,),) = record.query("SELECT coalesce(sum(length(text)), 0) FROM generations")
    batches = [range(start, min(start + _BATCH, count)) for start in range(0, count, _BATCH)]
    if size < ALONE or len(batches) < 2 or record.copied:
        for batch in batches:
            yield from _batch(record, batch)
        return
    with ProcessPoolExecutor(cores(), mp_context=get_context("spawn")) as workers:
        for texts in workers.map(partial(_batch_of, path), batches):
            yield from texts


def _batch_of(path: Path, positions: range) -> list[str]:
    with Record(path, read_only=True, trusted=True) as record:
        return _batch(record, positions)


def _batch(record: Record, positions: range) -> list[str]:
    view = candidate_format_named(record.configuration.get("candidate", "response"))
    return [
        packed(record, position, question, view)
        for position, question in zip(positions, record.questions(positions), strict=True)
    ]


def _write(out: Path, page: Iterator[str]) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with whole(out) as beside, beside.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.writelines(page)
    except OSError as error:
        raise UsageError(f"cannot write the report {out}: {error.strerror or error}") from None
