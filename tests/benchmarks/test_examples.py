from __future__ import annotations

import json
from pathlib import Path

import pytest

from selfagg.benchmarks import load_questions
from selfagg.errors import UsageError
from selfagg.prompts import first
from selfagg.scoring import scorer_for
from selfagg.types import Question


def file_of(tmp_path: Path, *rows: dict[str, object]) -> str:
    path = tmp_path / "q.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_examples_of_a_task_are_right_asked_alike_and_none_of_the_questions() -> None:
    questions = load_questions("reasoning_gym:coin_flip,chain_sum", size=60, examples=2)
    texts = {q.text for q in questions}
    for question in questions[:2]:
        asked, said, *_ = question.context
        assert [m["role"] for m in question.context] == ["user", "assistant"] * 2
        assert not any(text in asked["content"] for text in texts)
        [turn] = first(load_questions(f"reasoning_gym:{question.group}", size=1)[0]).messages(())
        assert asked["content"].splitlines()[-1] == turn["content"].splitlines()[-1]
        assert scorer_for("reasoning_gym").answer(question, said["content"]) is not None
    assert questions[0].context != questions[1].context
    assert questions[1].context == questions[3].context


def test_a_sum_is_worked_out() -> None:
    [question] = load_questions("reasoning_gym:chain_sum", size=1, examples=1, settings={"min_terms": "3"})
    asked, said = question.context
    terms = str(asked["content"]).split(": ")[1].split(" =")[0].split()
    line = str(said["content"]).splitlines()[0]
    assert line.startswith(f"{terms[0]} {terms[1]} {terms[2]} = ")
    assert said["content"].endswith(f"<answer>{line.rstrip('.').rsplit(' = ')[-1]}</answer>")


def test_other_data_seeds_have_other_examples() -> None:
    one, other = (load_questions("reasoning_gym:chain_sum", size=1, examples=1, data_seed=s)[0] for s in (0, 1))
    assert one.context != other.context


def test_examples_of_a_file_are_its_last_rows_and_are_not_asked(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"question": f"Is it {i}?", "answer": i, "kind": "math"} for i in range(5)]
    questions = load_questions(file_of(tmp_path, *rows), examples=2)
    assert [q.text for q in questions] == ["Is it 0?", "Is it 1?", "Is it 2?"]
    contents = [message["content"] for message in questions[0].context]
    assert contents[0].startswith("Is it 3?\n\n")
    assert contents[1].endswith("\\boxed{3}")
    assert contents[3].endswith("\\boxed{4}")
    with pytest.raises(UsageError, match="has 3 questions to ask; 4 were asked for"):
        load_questions(file_of(tmp_path, *rows), examples=2, size=4)
    with pytest.raises(UsageError, match="too few to take 5 worked examples"):
        load_questions(file_of(tmp_path, *rows), examples=5)


def test_a_system_prompt_stays_first(tmp_path: Path) -> None:
    def row(text: str) -> dict[str, object]:
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
        return {
            "data_source": "MathArena/x",
            "prompt": messages,
            "reward_model": {"ground_truth": "1"},
        }

    [question] = load_questions(file_of(tmp_path, row("One?"), row("Also one?")), examples=1)
    assert [m["role"] for m in question.context] == ["system", "user", "assistant"]


@pytest.mark.parametrize("row", [{"question": "Who knows?"}, {"question": "Code it.", "answer": "x", "kind": "code"}])
def test_questions_without_a_solution_are_no_examples(tmp_path: Path, row: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="q-2 has no worked solution"):
        load_questions(file_of(tmp_path, {"question": "1 + 1?", "answer": 2}, row), examples=1)
    with pytest.raises(UsageError, match="no worked solution"):
        load_questions("reasoning_gym:rush_hour", size=1, examples=1)


def test_examples_change_nothing_about_the_questions() -> None:
    def bare(question: Question) -> tuple[str, str, str | None]:
        return question.id, question.text, question.gold

    with_examples = load_questions("reasoning_gym:gcd", size=5, examples=3)
    assert [*map(bare, with_examples)] == [*map(bare, load_questions("reasoning_gym:gcd", size=5))]
