from __future__ import annotations

import json
from pathlib import Path

import pytest

from selfagg.benchmarks import load_questions
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
