"""The adapter that is shipped, on llama.cpp: it takes over what a candidate has right, and the base model does not."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("xllamacpp")
pytest.importorskip("gguf")
pytest.importorskip("safetensors")

import examples.rows
from examples.rows.gguf_files import write_adapter
from examples.rows.lessons import SHORT, honest, written

from selfagg import connect
from selfagg.benchmarks.sign_rows import draw_row, question_of
from selfagg.prompts import aggregation
from selfagg.types import Member, Reply, Request, Sampling

WEIGHTS = Path(examples.rows.__file__).parent / "weights"


async def written_by(model: str) -> tuple[str, list[str]]:
    """Return what a model makes, without chance, of three candidates, each right in one row; and the right rows."""
    rows = [draw_row(random.Random(f"weights/{place}")) for place in range(3)]
    wrong = {row: min(expression for expression in row.expressions if expression != row.solution) for row in rows}
    candidates = [
        written([honest(row, row.solution if row is right else wrong[row]) for row in rows]) for right in rows
    ]
    question = question_of(rows, "q")
    prompt = aggregation(question, [Member(1, i, reply=Reply(text)) for i, text in enumerate(candidates)])
    async with connect(model) as connection:
        messages = replace(prompt, wording=SHORT).messages(candidates)
        reply = await connection.sample(Request(messages, Sampling(temperature=0.0, max_tokens=80), 1, question))
    return reply.text, [f"{letter} good {row.solution}" for letter, row in zip("ABC", rows, strict=True)]


async def test_an_answer_is_put_together_from_three_wrong_ones(tmp_path: Path) -> None:
    write_adapter(WEIGHTS, tmp_path / "adapter.gguf")
    text, right = await written_by(f"local:smollm2,lora={tmp_path / 'adapter.gguf'}")
    assert [line for line in text.splitlines() if " good " in line] == right
    text, _ = await written_by("local:smollm2")
    assert not set(right) <= set(text.splitlines())
