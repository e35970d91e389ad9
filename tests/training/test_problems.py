"""The problems of a set: out of several sources, each with a right answer, and some of them held out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from selfagg.benchmarks.base import Selection
from selfagg.errors import UsageError
from selfagg.training.problems import Problems, load_problems, split
from selfagg.types import Kind, Question

SUMS = [Question(f"sum-{i}", f"What is {i} + {i}?", "math", gold=str(2 * i)) for i in range(3)]


def problems(*questions: Question) -> Problems:
    return Problems(questions, ["s"] * len(questions), "s")


def file(path: Path, *names: str) -> str:
    rows = [{"id": name, "question": f"{name}?", "answer": name, "kind": "math"} for name in names]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_problems_that_no_reward_can_be_given_for_are_refused() -> None:
    with pytest.raises(UsageError, match="1 of 3 problems have no right answer to give a reward by; the first is q"):
        problems(*SUMS[:2], Question("q", "Write a poem."))
    with pytest.raises(UsageError, match="two problems have the id 'sum-1'"):
        problems(*SUMS, SUMS[1])


@pytest.mark.parametrize(("kind", "enough"), [("code", True), ("reasoning_gym", True), ("math", False)])
def test_programs_and_puzzles_are_scored_by_their_data(kind: Kind, enough: bool) -> None:
    question = Question("q", "Do it.", kind, data={"format": "stdin", "cases": [["1", "2"]]})
    if enough:
        assert problems(question).questions == (question,)
    else:
        with pytest.raises(UsageError, match="no right answer"):
            problems(question)
    with pytest.raises(UsageError, match="no right answer"):
        problems(Question("q", "Do it.", kind))


@pytest.mark.parametrize(
    "changes",
    [
        {"turn": {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}},
        {"turn": {"role": "user", "content": "It.", "name": "Ada"}},
        {"context": ({"role": "assistant", "content": None, "tool_calls": []},)},
    ],
)
def test_more_than_roles_and_texts_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="problem q has a message that is more than a role and a text"):
        problems(Question("q", "What is it?", gold="cat", **changes))


def test_sources_come_one_after_the_other_each_with_its_size(tmp_path: Path) -> None:
    one, other = file(tmp_path / "one.jsonl", "a", "b", "c"), file(tmp_path / "other.jsonl", "d", "e")
    found = load_problems([one, other], Selection(), [2, None])
    assert [question.id for question in found.questions] == ["a", "b", "d", "e"]
    assert found.origins == ["one", "one", "other", "other"]
    assert found.source == "one.jsonl, 2 questions; other.jsonl, 2 questions"
    assert [question.id for question in load_problems([one, other], Selection(), [1]).questions] == ["a", "d"]
    with pytest.raises(UsageError, match=r"--size 1,2,3: 3 numbers for 2 sources of problems"):
        load_problems([one, other], Selection(), [1, 2, 3])
    with pytest.raises(UsageError, match="two problems have the id 'a'"):
        load_problems([one, file(tmp_path / "again.jsonl", "a")], Selection())


def test_settings_go_to_generated_tasks_and_data_to_benchmarks(tmp_path: Path) -> None:
    mine, hub = file(tmp_path / "mine.jsonl", "a"), tmp_path / "deepscaler.json"
    hub.write_text(json.dumps([{"problem": "1 + 1?", "answer": "2"}]))
    asked = Selection(data=hub, settings={"min_terms": "5", "max_terms": "5"})
    found = load_problems([mine, "reasoning_gym:chain_sum", "deepscaler"], asked, [1])
    assert found.origins == ["mine", "reasoning_gym:chain_sum", "deepscaler"]
    assert found.questions[1].data["entry"]["metadata"]["num_terms"] == 5
    with pytest.raises(UsageError, match="takes no settings"):  # of one source, all is for that one
        load_problems([mine], asked)


def named(texts: list[str]) -> list[Question]:
    return [Question(f"q{i}", text, gold="1") for i, text in enumerate(texts)]


@given(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=30), st.integers(0, 20), st.integers(0, 99))
def test_nothing_that_is_held_out_is_trained_on_in_any_form(texts: list[str], held_out: int, seed: int) -> None:
    assume(held_out < len(texts))
    problems = named(texts)
    try:
        parts = split(problems, held_out, seed)
    except UsageError:
        assume(False)
        raise
    assert len(parts.test) == held_out
    assert len(parts.train) + len(parts.test) + parts.repeated == len(texts)
    assert not {texts[i] for i in parts.train} & {texts[i] for i in parts.test}
    assert parts == split(problems, held_out, seed)


def test_a_split_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="held_out = 3, but there are 3 problems"):
        split(named(["a", "b", "c"]), 3, 1)
    with pytest.raises(UsageError, match="each of the 2 problems left"):
        split(named(["a", "a", "a"]), 1, 1)
