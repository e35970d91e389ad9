"""Build the report of one record or of several that are compared.

One HTML file out of our own template, styles and scripts, closed to everything else by a content security policy.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from importlib import resources
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from selfagg import __version__
from selfagg._internal.files import whole
from selfagg._internal.machine import cores
from selfagg.analysis.member_outcomes import answered
from selfagg.errors import UsageError
from selfagg.html_report.figures import compared, record_figures
from selfagg.html_report.questions import packed, questions
from selfagg.methods import method_named
from selfagg.prompts.prompt import candidate_format_named
from selfagg.record.record import Record

ALONE = 4_000_000
"""Characters of replies from which the work of typesetting is shared among processes."""

_BATCH = 4
_COUNT = re.compile(r", \d+ questions?\b")
_STYLES = ("base", "plots", "questions", "reader")
_SCRIPTS = ("dom", "nodes", "data", "plot", "charts", "comparison", "lineage", "questions", "reader", "main")


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
        told = [record_figures(record, own) for record, own in zip(given, read, strict=True)]
        data = {"records": told, **compared(given, read, told)}
        for entry, record in zip(told, given, strict=True):
            entry["questions"] = questions(record, _sizes(record))
        texts = (
            (f"texts-{number}-{position}", text)
            for number, (path, record) in enumerate(zip(records, given, strict=True))
            for position, text in enumerate(_packed(path, record))
        )
        made = f"Made by selfagg {__version__} on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC."
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            with whole(out) as beside, beside.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
                file.writelines(pieces(title or _title(given), made, data, texts))
        except OSError as error:
            raise UsageError(f"cannot write the report {out}: {error.strerror or error}") from None


def _sizes(record: Record) -> dict[int, int]:
    """Return members of each population, as the method has them and not only as far as they are there."""
    settings = dict(record.configuration["method"])
    try:
        method = method_named(settings.pop("name"), **settings)
    except UsageError:  # a user's own method that no package registers
        return dict(record.query("SELECT t, max(i) + 1 FROM generations WHERE role = 'candidate' GROUP BY t"))
    return {t: method.size(t) for t in range(1, method.t + 1)}


def _title(records: Sequence[Record]) -> str:
    sources = dict.fromkeys(_COUNT.split(str(record.configuration.get("source", "")))[0] for record in records)
    names = [str(record.configuration.get("model", "")) for record in records]
    models = dict.fromkeys(
        "a simulated model" if name.startswith("simulated") else name.partition(":")[2] or name for name in names
    )
    return f"{', '.join(sources)} with {', '.join(models)}"


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
    asked = zip(positions, record.questions(positions), strict=True)
    return [packed(record, position, question, view) for position, question in asked]


def pieces(title: str, made: str, data: Any, texts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the page piece by piece, so that it need not be held in memory as a whole.

    The script reads ``data`` at once, JSON values, and on demand ``texts``: names and packed contents (base64).
    """
    folder = resources.files(__package__) / "page"
    style = "\n".join((folder / "css" / f"{name}.css").read_text("utf-8") for name in _STYLES)
    script = "\n".join((folder / "js" / f"{name}.js").read_text("utf-8") for name in _SCRIPTS)
    script = f'"use strict";\n(() => {{\n{script}\n}})();\n'
    # No network, the page's own script and style alone, and no HTML made from strings.
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    # JSON that cannot end the script element around it.
    embedded = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    filled = {"policy": html.escape(policy), "title": html.escape(title), "made": html.escape(made)}
    filled |= {"style": style, "data": embedded, "script": script}
    # Each name is replaced at once, so that nothing in a value is taken for another name.
    for place, piece in enumerate(re.split(r"\{\{(\w+)\}\}", (folder / "template.html").read_text("utf-8"))):
        if place % 2 == 0:
            yield piece
        elif piece != "texts":
            yield filled[piece]
        else:
            for name, text in texts:
                yield f'<script type="application/octet-stream" id="{html.escape(name)}">{text}</script>\n'


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
