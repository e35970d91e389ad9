"""DeepScaleR's mathematics problems, the paper's training set: 40,315 from AIME, AMC, Omni-MATH and STILL.

16,000 are taken by default, as in the RSA paper; `paper-training` has its own draw. Ours is another fixed one: the
problems whose places in the file have the smallest SHA-256, so that a smaller size is a part of a larger one. Rows
without an answer (six of them) cannot be scored and are left out.
"""

from __future__ import annotations

import hashlib

from selfagg.benchmarks.base import Benchmark, HubSource, Selection, choose
from selfagg.benchmarks.data_files import read_rows
from selfagg.benchmarks.hub import benchmark_files
from selfagg.errors import UsageError
from selfagg.types import Question

_HUB = HubSource(
    "agentica-org/DeepScaleR-Preview-Dataset", "b6ae8c60f5c1f2b594e2140b91c49c9ad0949e29", ("deepscaler.json",)
)


def _load(selection: Selection) -> list[Question]:
    files = benchmark_files("deepscaler", _HUB, selection.data)
    if len(files) > 1:  # problems go by their rows, which two files would number alike
        raise UsageError(f"deepscaler is one file of problems; {selection.data} holds {len(files)} data files")
    questions = [
        Question(f"deepscaler-{row.number + 1}", row.text("problem"), "math", gold=row.answer("answer"))
        for row in read_rows(files[0])
        if not row.has("answer") or row.answer("answer").strip()
    ]
    questions.sort(key=lambda question: hashlib.sha256(question.id.encode()).digest())
    return choose(questions, selection, default=BENCHMARK.size, source="deepscaler")


BENCHMARK = Benchmark(
    name="deepscaler",
    title="DeepScaleR",
    kind="math",
    size=16_000,
    load=_load,
    hub=_HUB,
    note="MIT; agentica-org/DeepScaleR-Preview-Dataset; for training, a fixed subset of 16,000 of 40,309 by default",
)
