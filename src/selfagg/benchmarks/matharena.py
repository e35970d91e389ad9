"""AIME 2025 and HMMT February 2025, as MathArena publishes them (arXiv 2505.23281)."""

from __future__ import annotations

from functools import partial

from selfagg.benchmarks.base import Benchmark, HubSource, Selection
from selfagg.benchmarks.examples import choose
from selfagg.benchmarks.hub import benchmark_files
from selfagg.benchmarks.rows import DataRow, read_all, unique
from selfagg.benchmarks.verl import is_verl, verl_question
from selfagg.types import Question

_FILES = ("data/train-00000-of-00001.parquet",)
_LICENCE = "CC BY-NC-SA 4.0; MathArena, https://matharena.ai"


def _load(name: str, hub: HubSource, selection: Selection) -> list[Question]:
    rows = read_all(benchmark_files(name, hub, selection.data))
    questions = unique([_question(name, hub, row, selection) for row in rows], rows)
    return choose(questions, selection, default=len(questions), source=name)


def _question(name: str, hub: HubSource, row: DataRow, selection: Selection) -> Question:
    if is_verl(row):
        return verl_question(row, name=name, benchmark=hub.repo, instruction_from=selection.instruction)
    return Question(
        id=f"{name}-{row.answer('problem_idx')}",
        text=row.text("problem"),
        kind="math",
        gold=row.answer("answer"),
        group=", ".join(row.texts("problem_type")) if row.values.get("problem_type") else "",
    )


def _benchmark(name: str, title: str, hub: HubSource) -> Benchmark:
    load = partial(_load, name, hub)
    return Benchmark(name=name, title=title, kind="math", size=30, load=load, hub=hub, note=_LICENCE)


AIME25 = _benchmark(
    "aime25",
    "AIME-25",
    HubSource("MathArena/aime_2025", "c94da77eb22bbd6439e62a323bec18493a421302", _FILES),
)

HMMT25 = _benchmark(
    "hmmt25",
    "HMMT-25 (Feb)",
    HubSource("MathArena/hmmt_feb_2025", "6fdc4277120810ff75aa22d2d5489b91f7a262a1", _FILES),
)
