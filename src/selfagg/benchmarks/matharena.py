"""AIME 2025 and HMMT February 2025, as MathArena publishes them (arXiv 2505.23281)."""

from __future__ import annotations

from functools import partial

from selfagg.benchmarks.base import Benchmark, HubSource, Selection, choose
from selfagg.benchmarks.data_files import DataRow, questions_of
from selfagg.benchmarks.file import is_verl, verl_question
from selfagg.benchmarks.hub import benchmark_rows
from selfagg.types import Question

_FILES = ("data/train-00000-of-00001.parquet",)


def _load(name: str, hub: HubSource, selection: Selection) -> list[Question]:
    def question(row: DataRow) -> Question:
        if is_verl(row):
            return verl_question(row, name=name, benchmark=hub.repo, keep_closing=selection.instruction == "file")
        return Question(
            id=f"{name}-{row.answer('problem_idx')}",
            text=row.text("problem"),
            kind="math",
            gold=row.answer("answer"),
            group=", ".join(row.texts("problem_type")) if row.values.get("problem_type") else "",
        )

    return choose(questions_of(benchmark_rows(name, hub, selection.data), question), selection, source=name)


AIME25, HMMT25 = (
    Benchmark(
        name=name,
        title=title,
        kind="math",
        size=30,
        load=partial(_load, name, hub),
        hub=hub,
        note="CC BY-NC-SA 4.0; MathArena, https://matharena.ai",
        paper="files",
    )
    for name, title, hub in (
        ("aime25", "AIME-25", HubSource("MathArena/aime_2025", "c94da77eb22bbd6439e62a323bec18493a421302", _FILES)),
        (
            "hmmt25",
            "HMMT-25 (Feb)",
            HubSource("MathArena/hmmt_feb_2025", "6fdc4277120810ff75aa22d2d5489b91f7a262a1", _FILES),
        ),
    )
)
