"""The paper's own training set: DeepScaleR problems and Reasoning Gym tasks, plain and with candidates of Qwen3-4B.

Each row is a whole prompt in the authors' words; a row with candidates shows them in its text. So this is a set to
train on (``selfagg train data paper-training --fraction 0``), and not one to aggregate over.
"""

from __future__ import annotations

from dataclasses import replace

from selfagg.benchmarks.base import Benchmark, HubSource, Selection, choose
from selfagg.benchmarks.file import verl_question
from selfagg.benchmarks.hub import benchmark_rows
from selfagg.types import Question

_NAME = "paper-training"
_NEWEST = HubSource("RSA-RL/DeepScaleR-RG-Aggregator-RL", "main", ())  # it has no release


def _load(selection: Selection) -> list[Question]:
    rows = enumerate(benchmark_rows(_NAME, _NEWEST, selection.data), 1)
    questions = [replace(verl_question(row, name=_NAME), id=f"{_NAME}-{place}") for place, row in rows]
    return choose(questions, selection, source=_NAME)


BENCHMARK = Benchmark(
    name=_NAME,
    title="The paper's training set",
    kind="math",
    size=28_288,
    load=_load,
    note=f"{_NEWEST.repo}; the authors of arXiv 2509.26626; for training",
)
