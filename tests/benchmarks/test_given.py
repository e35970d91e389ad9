"""Questions that a caller gives: a source, a file, or a list of questions, dictionaries and texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from selfagg.benchmarks import gym
from selfagg.benchmarks.base import Selection
from selfagg.benchmarks.given import QuestionSet, question_set, selected_set
from selfagg.errors import UsageError
from selfagg.types import Question


def file(path: Path, count: int) -> str:
    path.write_text("".join(json.dumps({"question": f"Is it {i}?", "answer": i}) + "\n" for i in range(count)))
    return str(path)


def test_texts_dictionaries_and_questions_of_one_list() -> None:
    own = Question("own", "2 + 2?", "math", gold="4")
    columns = {"text": "3 + 3?", "gold": 6, "kind": "math", "id": 7, "group": "sums"}
    found = question_set(["Why?", own, columns, {"question": "4 + 4?"}])
    assert list(found.questions) == [
        Question("question-1", "Why?"),
        own,
        Question("7", "3 + 3?", "math", gold="6", group="sums"),
        Question("question-4", "4 + 4?"),
    ]
    assert (found.source, found.name, found.count) == ("4 given questions", "given", "4 questions")
    alone = question_set([own])
    assert (alone.source, alone.count) == ("1 given question", "1 question")
    assert question_set(found) is found


def test_a_number_of_those_given() -> None:
    given = ["one?", "two?", "three?"]
    assert [q.text for q in question_set(given, size=2).questions] == ["one?", "two?"]
    assert len(question_set(given, size="all").questions) == 3
    assert QuestionSet([Question("q", "?")] * 1234, "", "").count == "1,234 questions"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ([], "there is no question: the list is empty"),
        (5, "must be a source's name or a list of questions, not int"),
        ({"question": "?"}, "not dict"),
        (Question("q", "?"), "not Question"),
        (b"q.jsonl", "not bytes"),
        ([None], "question 1: it must be a Question, a dictionary or a text, not NoneType"),
        (["?", {"answer": 1}], r"question 2: there is no column 'question' \(columns found: answer\)"),
        ([{"id": "a", "text": "?"}, Question("a", "!")], "question 2: the id 'a' is taken already by question 1"),
        ("", "the source of the questions is empty"),
    ],
)
def test_what_is_no_question_is_said(given: Any, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        question_set(given)


@pytest.mark.parametrize("size", [0, 3, -1])
def test_a_size_beyond_the_list_is_refused(size: int) -> None:
    with pytest.raises(UsageError, match=f"size is {size}, but 2 questions are given"):
        question_set(["one?", "two?"], size=size)


def test_a_file_is_named_without_its_folder_and_told_with_all_that_was_asked_for(tmp_path: Path) -> None:
    path = file(tmp_path / "mine.jsonl", 5)
    found = question_set(Path(path), size=2)
    assert (found.source, found.name) == ("mine.jsonl, 2 questions", "mine")
    assert selected_set(path, Selection(1, data_seed=3, examples=2)) == QuestionSet(
        selected_set(path, Selection(1, examples=2)).questions,
        "mine.jsonl, 1 question, data seed 3, 2 examples",
        "mine",
    )


@pytest.mark.usefixtures("gym_here")
def test_more_names_of_tasks_than_a_path_may_have_letters() -> None:
    source = f"reasoning_gym:{','.join(gym.task_names())}"
    assert selected_set(source, Selection(size=2)).source == f"{source}, 2 questions"


@pytest.mark.usefixtures("gym_here")
def test_settings_and_seeds_are_told_in_their_order() -> None:
    asked = Selection(2, data_seed=1, settings={"min_terms": "3", "max_terms": "4"})
    found = selected_set("reasoning_gym:chain_sum", asked)
    assert found.source == "reasoning_gym:chain_sum, 2 questions, data seed 1, max_terms=4, min_terms=3"
    assert found.name == "reasoning_gym:chain_sum"


def test_the_files_own_instruction_is_told(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps({"question": "1 + 1? Box it.", "answer": 2, "instruction": ""}))
    assert (
        selected_set(str(path), Selection(instruction="file")).source == "q.jsonl, 1 question, the file's instruction"
    )
