"""The paper's own training set: whole prompts, numbered by their place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from selfagg.benchmarks import load_questions

GYM = {"dataset_name": "chain_sum", "entry": json.dumps({"question": "1 + 1?", "answer": "2", "metadata": {}})}


def row(source: str, number: int, **info: Any) -> dict[str, Any]:
    closing = " Let's think step by step and output the final answer between <answer> and </answer> tags."
    return {
        "data_source": source,
        "prompt": [{"role": "user", "content": f"Question {number}?{closing}"}],
        "reward_model": {"style": "rule", "ground_truth": "A"},
        "extra_info": {"index": number, **info},
    }


def test_the_papers_training_set_is_whole_prompts_of_both_kinds(tmp_path: Path) -> None:
    rows = [row("DeepScaleR", 1), row("reasoning_gym", 2, **GYM), row("DeepScaleR", 1)]
    file = tmp_path / "train.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    found = load_questions("paper-training", data=file)
    assert [(question.id, question.kind, question.instruction) for question in found] == [
        ("paper-training-1", "math", ""), ("paper-training-2", "reasoning_gym", ""), ("paper-training-3", "math", ""),
    ]  # fmt: skip
    assert found[1].text.endswith("tags.")
