from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from selfagg.benchmarks import load_questions
from selfagg.benchmarks.base import Benchmark, Selection, choose, with_examples
from selfagg.errors import UsageError
from selfagg.scoring import scorer_for
from selfagg.types import Question


def file_of(tmp_path: Path, *rows: dict[str, object]) -> str:
    path = tmp_path / "q.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


@pytest.mark.usefixtures("gym_here")
def test_examples_of_a_task_are_right_and_none_of_the_questions() -> None:
    questions = load_questions("reasoning_gym:coin_flip,chain_sum", size=60, examples=2)
    texts = {q.text for q in questions}
    for question in questions[:2]:
        assert len(question.examples) == 2
        assert not texts & {example.text for example in question.examples}
        for example in question.examples:
            assert scorer_for("reasoning_gym").answer(question, example.right) is not None
    assert questions[0].examples != questions[1].examples
    assert questions[1].examples == questions[3].examples


@pytest.mark.usefixtures("gym_here")
def test_what_solves_one_example_is_wrong_for_another() -> None:
    first, second = load_questions("reasoning_gym:chain_sum", size=1, examples=2)[0].examples
    assert (first.wrong, second.wrong) == (second.right, first.right)
    [alone] = load_questions("reasoning_gym:chain_sum", size=1, examples=1)[0].examples
    assert alone.wrong == ""


@pytest.mark.usefixtures("gym_here")
def test_a_sum_is_worked_out() -> None:
    [question] = load_questions("reasoning_gym:chain_sum", size=1, examples=1, settings={"min_terms": "3"})
    [example] = question.examples
    terms = example.text.split(": ")[1].split(" =")[0].split()
    line = example.right.splitlines()[0]
    assert line.startswith(f"{terms[0]} {terms[1]} {terms[2]} = ")
    assert example.right.endswith(f"<answer>{line.rstrip('.').rsplit(' = ')[-1]}</answer>")


@pytest.mark.usefixtures("gym_here")
def test_other_data_seeds_have_other_examples() -> None:
    one, other = (load_questions("reasoning_gym:chain_sum", size=1, examples=1, data_seed=s)[0] for s in (0, 1))
    assert one.examples != other.examples


NUMBERED = [Question(f"q{i}", f"{i}?", "math", gold=str(i)) for i in range(6)]


def chosen(default: int | None = None, **selection: Any) -> list[str]:
    return [question.id for question in choose(NUMBERED, Selection(**selection), source="here", default=default)]


def test_the_first_questions_are_chosen() -> None:
    everything = ["q0", "q1", "q2", "q3", "q4", "q5"]
    assert chosen() == chosen(size="all", default=2) == chosen(size=6) == everything
    assert chosen(default=2) == chosen(size=2) == ["q0", "q1"]
    assert chosen(size=1, default=2) == ["q0"]
    assert chosen(default=9) == everything
    assert chosen(examples=2) == chosen(examples=2, size=4) == everything[:4]
    assert chosen(examples=5) == ["q0"]


@pytest.mark.parametrize(
    ("selection", "complaint"),
    [
        ({"size": 7}, "here has 6 questions to ask; 7 were asked for"),
        ({"size": 0}, "the number of questions must be at least 1, not 0"),
        ({"size": -1}, "at least 1, not -1"),
        ({"examples": 6}, "here has 6 questions: too few to take 6 worked examples"),
        (
            {"examples": 2, "size": 5},
            "here without its last 2 (the worked examples) has 4 questions to ask; 5 were asked for",
        ),
    ],
)
def test_what_cannot_be_chosen_is_said(selection: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(**selection)
    assert complaint in str(caught.value)


def test_worked_examples_show_the_work_of_a_sum() -> None:
    texts = ["What is 7 - 12 + 3 =?", "1 + 1 and 2 + 2?", "-4 + 1 - 20?"]
    shown = [Question(f"s{i}", text, "reasoning_gym", gold=str(i)) for i, text in enumerate(texts)]
    [question] = with_examples(NUMBERED[:1], shown)
    plain = "I work through the problem carefully and check the result."
    assert [example.right for example in question.examples] == [
        "7 - 12 = -5, -5 + 3 = -2.\n\n<answer>0</answer>",
        f"{plain}\n\n<answer>1</answer>",
        "-4 + 1 = -3, -3 - 20 = -23.\n\n<answer>2</answer>",
    ]
    assert [example.wrong for example in question.examples] == [question.examples[place].right for place in (1, 2, 0)]
    assert replace(question, examples=()) == NUMBERED[0]


def test_a_benchmark_says_no_more_than_it_must() -> None:
    plain = Benchmark("mine", "Mine", "text", 3, lambda selection: [])
    assert (plain.hub, plain.note, plain.settings, plain.paper) == (None, "", (), None)
    assert Selection() == Selection(None, None, 0, {}, 0, "own")


def test_examples_of_a_file_are_its_last_rows_and_are_not_asked(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"question": f"Is it {i}?", "answer": i, "kind": "math"} for i in range(5)]
    questions = load_questions(file_of(tmp_path, *rows), examples=2)
    assert [q.text for q in questions] == ["Is it 0?", "Is it 1?", "Is it 2?"]
    three, four = questions[0].examples
    assert (three.text, four.text) == ("Is it 3?", "Is it 4?")
    assert three.right.endswith("\\boxed{3}")
    assert four.right.endswith("\\boxed{4}")
    with pytest.raises(UsageError, match="has 3 questions to ask; 4 were asked for"):
        load_questions(file_of(tmp_path, *rows), examples=2, size=4)
    with pytest.raises(UsageError, match="too few to take 5 worked examples"):
        load_questions(file_of(tmp_path, *rows), examples=5)


@pytest.mark.usefixtures("gym_here")
def test_questions_without_a_solution_are_no_examples(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="q-2 has no worked solution"):
        load_questions(file_of(tmp_path, {"question": "1 + 1?", "answer": 2}, {"question": "Who knows?"}), examples=1)
    with pytest.raises(UsageError, match="no worked solution"):
        load_questions("reasoning_gym:rush_hour", size=1, examples=1)


@pytest.mark.usefixtures("gym_here")
def test_examples_change_nothing_about_the_questions() -> None:
    def bare(question: Question) -> tuple[str, str, str | None]:
        return question.id, question.text, question.gold

    with_examples = load_questions("reasoning_gym:gcd", size=5, examples=3)
    assert [*map(bare, with_examples)] == [*map(bare, load_questions("reasoning_gym:gcd", size=5))]
