"""SuperGPQA (arXiv 2502.14739): graduate-level multiple choice in 285 fields.

The paper's 1000 of its 26,529 questions are asked by default, in the order of the authors' files (arXiv 2509.26626):
``supergpqa_ids.txt`` beside this file names them. A smaller size is a part of a larger one. Of a larger size, or
``size="all"``, the other questions follow, those first whose ids have the smallest SHA-256. A file without any of the
paper's questions is asked in that order too.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from string import ascii_uppercase

from selfagg.benchmarks.base import Benchmark, HubSource, Selection, choose
from selfagg.benchmarks.data_files import DataRow
from selfagg.benchmarks.file import is_verl, list_options, verl_question
from selfagg.benchmarks.hub import benchmark_rows
from selfagg.errors import UsageError
from selfagg.types import Question

_HUB = HubSource("m-a-p/SuperGPQA", "4430d4458112c7d4497fdcf94d7cc223313d6acf", ("SuperGPQA-all.jsonl",))
_SIZE = 1000


def paper_ids() -> dict[str, int]:
    """Return the ids of the paper's questions, each with its place from 0."""
    names = (resources.files(__package__) / "supergpqa_ids.txt").read_text("ascii").split()
    return {name: place for place, name in enumerate(names)}


def _load(selection: Selection) -> list[Question]:
    found = [_question(row, selection) for row in benchmark_rows("supergpqa", _HUB, selection.data)]
    questions = {question.id: question for question in found}  # one that stands in two files is asked once
    first = paper_ids()
    order = sorted(questions, key=lambda name: (first.get(name, _SIZE), hashlib.sha256(name.encode()).digest()))
    return choose([questions[name] for name in order], selection, default=_SIZE, source="supergpqa")


def _question(row: DataRow, selection: Selection) -> Question:
    if is_verl(row):
        keep = selection.instruction == "file"
        return verl_question(row, name="supergpqa", benchmark=_HUB.repo, keep_closing=keep)
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
    note="ODC-BY; M-A-P, arXiv 2502.14739; the paper's 1000 of 26,529 by default",
    paper="files",
)
