from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from selfagg.benchmarks import load_questions
from selfagg.errors import UsageError

CLOSING = " Let's think step by step and output the final answer within \\boxed{}."


def row(**changes: Any) -> dict[str, Any]:
    plain = {
        "problem_idx": 7,
        "problem_type": ["Algebra", "Geometry"],
        "data_source": "MathArena/aime_2025",
        "prompt": [{"role": "user", "content": "What is 6 times 7?" + CLOSING}],
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": "42"},
        "extra_info": {"index": 6},
    }
    return {**plain, **changes}


def load(tmp_path: Path, source: str | None = None, **changes: Any) -> Any:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row(**changes)))
    [question] = load_questions(source, data=path) if source else load_questions(str(path))
    return question


def test_a_files_text_stays_whole_and_needs_no_instruction(tmp_path: Path) -> None:
    question = load(tmp_path)
    assert question.text == "What is 6 times 7?" + CLOSING
    assert (question.id, question.kind, question.gold, question.instruction) == ("rows-7", "math", "42", "")
    assert question.group == "Algebra, Geometry"


def test_a_benchmarks_text_is_the_bare_problem(tmp_path: Path) -> None:
    question = load(tmp_path, "aime25")
    assert (question.id, question.text, question.instruction) == ("aime25-7", "What is 6 times 7?", None)


def test_a_benchmarks_text_without_the_known_closing_stays_whole(tmp_path: Path) -> None:
    question = load(tmp_path, "aime25", prompt=[{"role": "user", "content": "Six times seven? Box it."}])
    assert (question.text, question.instruction) == ("Six times seven? Box it.", "")


def test_earlier_messages_are_context(tmp_path: Path) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}]
    question = load(tmp_path, prompt=messages)
    assert (question.context, question.text) == (({"role": "system", "content": "Be brief."},), "2 + 2?")


def test_other_sources_with_the_ability_math_are_math(tmp_path: Path) -> None:
    assert load(tmp_path, data_source="me/mine").kind == "math"


def test_the_source_decides_the_kind(tmp_path: Path) -> None:
    info = {"uuid": "abc", "discipline": "Law"}
    choice = load(tmp_path, data_source="m-a-p/SuperGPQA", ability="supergpqa", extra_info=info, problem_type=None)
    assert (choice.id, choice.kind, choice.group) == ("abc", "choice", "Law")
    entry = {"question": "1 + 1?", "answer": "2", "metadata": {}}
    info = {"dataset_name": "chain_sum", "entry": json.dumps(entry)}
    puzzle = load(tmp_path, data_source="reasoning_gym", ability="games", extra_info=info)
    assert (puzzle.id, puzzle.kind, puzzle.gold, puzzle.group) == ("rows-1", "reasoning_gym", "2", "chain_sum")
    assert puzzle.data == {"task": "chain_sum", "entry": entry}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"data_source": "me/mine", "ability": "poems"}, "the data_source 'me/mine' is unknown"),
        ({"data_source": "MathArena/hmmt_feb_2025"}, "'MathArena/hmmt_feb_2025', not 'MathArena/aime_2025'"),
        ({"prompt": "2 + 2?"}, "'prompt' must be a list of messages, not text"),
        (
            {"prompt": [{"role": "assistant", "content": "4"}]},
            "the last message of the column 'prompt' must be the user's",
        ),
        ({"reward_model": {"style": "rule"}}, "there is no column 'reward_model.ground_truth'"),
    ],
)
def test_what_is_broken_is_said(tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, "aime25", **changes)
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("rows.jsonl, line 1: ")


@pytest.mark.parametrize("info", [{"dataset_name": "chain_sum"}, {"dataset_name": "chain_sum", "entry": "{}"}])
def test_a_puzzle_without_its_entry_is_refused(tmp_path: Path, info: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"extra_info\.entry"):
        load(tmp_path, data_source="reasoning_gym", extra_info=info)
