"""SuperGPQA: the paper's thousand first, as the hub has them and as the paper's authors do."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from selfagg.benchmarks import load_questions
from selfagg.benchmarks.supergpqa import paper_ids
from selfagg.benchmarks.validate import validate
from selfagg.errors import UsageError

DATA = os.environ.get("SELFAGG_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="SELFAGG_DATA names no folder with the evaluation sets")


def row(number: int, name: str) -> dict[str, Any]:
    """A row of the authors' files."""
    closing = "\n\nThink step by step and output the final correct option letter within \\boxed{}; e.g. A."
    return {
        "data_source": "m-a-p/SuperGPQA",
        "prompt": [{"role": "user", "content": f"Question {number}?{closing}"}],
        "reward_model": {"style": "rule", "ground_truth": "A"},
        "extra_info": {"index": number, "uuid": name},
    }


def gpqa_row(i: int) -> dict[str, Any]:
    return {
        "uuid": f"id{i}",
        "question": f"Question {i}?",
        "options": ["yes", "no", "both"],
        "answer": "no",
        "answer_letter": "B",
        "discipline": "Law",
        "field": "Law",
        "subfield": "Trade law",
        "difficulty": "easy",
        "is_calculation": False,
    }


@pytest.mark.parametrize("letter", ["D", "b", "AB"])
def test_a_letter_that_is_no_option_is_refused(tmp_path: Path, letter: str) -> None:
    file = tmp_path / "SuperGPQA-all.jsonl"
    file.write_text("\n".join(map(json.dumps, [gpqa_row(0), gpqa_row(1) | {"answer_letter": letter}])))
    with pytest.raises(UsageError, match=rf"line 2: the column 'answer_letter' is '{letter}', but there are 3 options"):
        load_questions("supergpqa", data=file)


def test_the_subset_of_supergpqa_is_fixed_whatever_the_order(tmp_path: Path) -> None:
    rows = [gpqa_row(i) for i in range(1500)]
    file = tmp_path / "SuperGPQA-all.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    subset = load_questions("supergpqa", data=tmp_path)
    random.Random(1).shuffle(rows)
    file.write_text("\n".join(map(json.dumps, rows)))
    assert load_questions("supergpqa", data=file) == subset
    assert (len(subset), len({q.id for q in subset})) == (1000, 1000)
    assert load_questions("supergpqa", data=file, size=10) == subset[:10]
    assert len(load_questions("supergpqa", data=file, size="all")) == 1500
    assert subset[0].text.endswith("?\n\nOption A : yes\n\nOption B : no\n\nOption C : both")
    assert (subset[0].gold, subset[0].kind, subset[0].group) == ("B", "choice", "Law")


def test_the_papers_supergpqa_questions_come_first_and_in_its_order(tmp_path: Path) -> None:
    names = list(paper_ids())
    assert (len(names), {len(name) for name in names}) == (1000, {32})
    file = tmp_path / "supergpqa.jsonl"
    rows = [row(n, name) for n, name in enumerate([*names[:1:-1], *"xyz"])]
    file.write_text("\n".join(map(json.dumps, rows)))
    assert [question.id for question in load_questions("supergpqa", data=file, size=998)] == names[2:]
    everything = load_questions("supergpqa", data=file, size="all")
    assert {question.id for question in everything[998:]} == {*"xyz"}


@needs_data
async def test_the_gold_answers_of_the_authors_files_are_right() -> None:
    assert DATA
    questions = load_questions("supergpqa", data=Path(DATA))
    assert len(questions) == 600
    assert all(q.instruction is None and "boxed" not in q.text[-60:] for q in questions)
    validation = await validate(questions)
    assert (validation.right, validation.failures, validation.unstated) == (600, (), ())
