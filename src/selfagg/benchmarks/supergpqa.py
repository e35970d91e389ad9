"""SuperGPQA (arXiv 2502.14739): graduate-level multiple choice in 285 fields.

1000 of its 26,529 questions are asked by default, as in the RSA paper. The paper's own draw is not published,
so ours is another fixed one: the questions whose ids have the smallest SHA-256. It depends neither on the order
of the rows nor on a generator, and a smaller size is a part of a larger one. ``size="all"`` asks them all.
"""

from __future__ import annotations

import hashlib
from string import ascii_uppercase

from selfagg.benchmarks.base import Benchmark, HubSource, Selection
from selfagg.benchmarks.examples import choose
from selfagg.benchmarks.file import list_options
from selfagg.benchmarks.hub import benchmark_files
from selfagg.benchmarks.rows import DataRow, read_all
from selfagg.benchmarks.verl import is_verl, verl_question
from selfagg.errors import UsageError
from selfagg.types import Question

_HUB = HubSource("m-a-p/SuperGPQA", "4430d4458112c7d4497fdcf94d7cc223313d6acf", ("SuperGPQA-all.jsonl",))
_SIZE = 1000


def _load(selection: Selection) -> list[Question]:
    rows = read_all(benchmark_files("supergpqa", _HUB, selection.data))
    # By id: a question that stands in two files is asked once.
    questions = {question.id: question for question in map(_question, rows)}
    return choose(sorted(questions.values(), key=_rank), selection, default=_SIZE, source="supergpqa")


def _rank(question: Question) -> bytes:
    return hashlib.sha256(question.id.encode()).digest()


def _question(row: DataRow) -> Question:
    if is_verl(row):
        return verl_question(row, name="supergpqa", benchmark=_HUB.repo)
    options, letter = row.texts("options"), row.text("answer_letter")
    if letter not in [*ascii_uppercase[: len(options)]]:
        raise UsageError(f"{row.place}: the column 'answer_letter' is {letter!r}, but there are {len(options)} options")
    return Question(
        id=row.text("uuid"),
        text=list_options(row.text("question"), options),
        kind="choice",
        gold=letter,
        group=row.text("discipline") if row.has("discipline") else "",
    )


BENCHMARK = Benchmark(
    name="supergpqa",
    title="SuperGPQA",
    kind="choice",
    size=_SIZE,
    load=_load,
    hub=_HUB,
    note="ODC-BY; M-A-P, arXiv 2502.14739; a fixed subset of 1000 of 26,529 by default",
)
