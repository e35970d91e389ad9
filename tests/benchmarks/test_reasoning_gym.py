"""Reasoning Gym's questions: out of processes of their own, the same in every one, and the paper's two sets."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from selfagg.benchmarks import gym, load_questions
from selfagg.benchmarks.reasoning_gym import COGNITION_TASKS, GAME_TASKS, entry_question, task_names
from selfagg.benchmarks.validate import validate
from selfagg.errors import UsageError
from selfagg.types import Question

DATA = os.environ.get("SELFAGG_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="SELFAGG_DATA names no folder with the evaluation sets")
here = pytest.mark.usefixtures("gym_here")


@here
def test_questions_are_spread_evenly_and_named() -> None:
    questions = load_questions("reasoning_gym:chain_sum,gcd", size=5)
    assert [q.id for q in questions] == ["chain_sum-0", "gcd-0", "chain_sum-1", "gcd-1", "chain_sum-2"]
    assert questions == [entry_question(q.id, q.group, q.data["entry"]) for q in questions]
    assert [q.group for q in questions[:2]] == ["chain_sum", "gcd"]
    assert load_questions("reasoning_gym:chain_sum,gcd", size=9)[:5] == questions
    assert len(load_questions("reasoning_gym:chain_sum")) == 100


def test_an_entry_as_a_question() -> None:
    entry = {"question": "1 + 1?", "answer": "2", "metadata": {"terms": [1, 1]}}
    assert entry_question("sum-3", "sum", entry) == Question(
        "sum-3", "1 + 1?", "reasoning_gym", gold="2", data={"task": "sum", "entry": entry}, group="sum"
    )


@here
def test_data_seeds_share_no_question() -> None:
    settings = {"min_digits": "4"}
    drawn = [load_questions("reasoning_gym:chain_sum", size=50, data_seed=s, settings=settings) for s in (0, 1, 1)]
    assert drawn[1] == drawn[2]
    assert not {q.text for q in drawn[0]} & {q.text for q in drawn[1]}
    assert [q.id for q in drawn[1][:2]] == ["chain_sum-s1-0", "chain_sum-s1-1"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"size": 0}, "the number of questions must be between 1 and 500000, not 0"),
        ({"size": 500_001}, "between 1 and 500000"),
        ({"size": "all"}, "without end"),
        ({"data_seed": -1}, r"the data seed cannot be negative \(-1\)"),
        ({"data": Path("here")}, "reads no --data"),
    ],
)
def test_selections_that_cannot_be_are_refused(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        load_questions("reasoning_gym:chain_sum", **options)  # type: ignore[arg-type]


def test_what_the_process_refuses_is_told_in_full() -> None:
    with pytest.raises(UsageError, match=r"^the Reasoning Gym task chain_sum cannot be made with min_terms=99: "):
        load_questions("reasoning_gym:chain_sum", settings={"min_terms": "99"})


@here
def test_the_names_are_those_of_the_library() -> None:
    assert task_names() == gym.task_names()


def failures(names: str, size: int) -> list[tuple[str, float | None, str]]:
    validation = asyncio.run(validate(load_questions(f"reasoning_gym:{names}", size=size)))
    # No task but these two comes without gold answers; that of one program of ab is the empty text.
    assert {question.group for question in validation.unstated if question.gold is None} <= {"boxnet", "rush_hour"}
    return [(failure.question.id, failure.score, failure.note) for failure in validation.failures]


def test_the_gold_answers_of_every_task_are_right_after_a_round_trip_through_json() -> None:
    tasks = gym.task_names()
    assert failures(",".join(tasks), len(tasks)) == []


@here
def test_the_gold_answers_with_unsolved_integrals_and_fractions_are_right() -> None:
    assert failures("intermediate_integration,gsm_symbolic", 80) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_50_gold_answers_of_every_task_are_right() -> None:
    tasks = task_names()
    assert failures(",".join(tasks), 50 * len(tasks)) == []


DEPENDENT = (
    *("codeio", "intermediate_integration", "isomorphic_strings", "knight_swap", "list_functions"),
    *("polynomial_multiplication", "ransom_note", "word_ladder"),
)
"""Tasks whose items hang on the hash seed, or on what else was drawn in the process."""

PRINT = """
import json, sys
from selfagg.benchmarks import load_questions
for question in load_questions("reasoning_gym:" + sys.argv[1], size=int(sys.argv[2])):
    print(json.dumps([question.id, question.text, question.gold, question.data]))
"""


def made_in_another_process(tasks: Sequence[str], size: int, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PRINT, ",".join(tasks), str(size)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = sorted(done.stdout.splitlines())
    assert len(lines) == size
    return lines


def test_questions_are_the_same_in_every_process() -> None:
    made = load_questions(f"reasoning_gym:{','.join(DEPENDENT)}", size=2 * len(DEPENDENT))
    lines = sorted(json.dumps([question.id, question.text, question.gold, question.data]) for question in made)
    seed = "1" if os.environ.get("PYTHONHASHSEED") == "2" else "2"
    other = {"PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo"}
    assert lines == made_in_another_process(DEPENDENT[::-1], 2 * len(DEPENDENT), **other)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_questions_of_every_task_are_the_same_in_every_process() -> None:
    tasks = task_names()
    one = made_in_another_process(tasks, 50 * len(tasks), PYTHONHASHSEED="1")
    assert one == made_in_another_process(tasks[::-1], 50 * len(tasks), PYTHONHASHSEED="2", TZ="Asia/Tokyo")


SETS = [("rg-games", GAME_TASKS), ("rg-cognition", COGNITION_TASKS)]


@functools.cache
def generated(name: str) -> list[Question]:
    return load_questions(name, data_seed=3)


@pytest.mark.parametrize(("name", "tasks"), SETS)
async def test_the_generated_sets_take_turns_over_their_tasks(name: str, tasks: tuple[str, ...]) -> None:
    counts = Counter(q.group for q in generated(name))
    assert (counts.total(), set(counts)) == (100, set(tasks))
    assert max(counts.values()) - min(counts.values()) == 1
    validation = await validate(generated(name))
    assert validation.failures == ()
    assert {q.group for q in validation.unstated} <= {"boxnet", "rush_hour"}


@needs_data
@pytest.mark.parametrize(("name", "tasks"), SETS)
async def test_the_authors_sets_have_these_tasks_at_this_difficulty(name: str, tasks: tuple[str, ...]) -> None:
    assert DATA
    questions = load_questions(name, data=Path(DATA))
    assert (len(questions), {q.group for q in questions}) == (100, set(tasks))
    assert all(q.text == q.data["entry"]["question"] and q.instruction is None for q in questions)

    def difficulties(source: list[Question]) -> set[tuple[str, str]]:
        return {(q.group, json.dumps(q.data["entry"]["metadata"].get("difficulty"))) for q in source}

    assert difficulties(questions) == difficulties(generated(name))
    assert (await validate(questions)).failures == ()


@needs_data
def test_a_files_questions_take_no_settings() -> None:
    assert DATA
    with pytest.raises(UsageError, match="rg-games from a file takes no settings"):
        load_questions("rg-games", data=Path(DATA), settings={"min_empty": "3"})


@here
def test_a_set_takes_the_settings_of_its_tasks() -> None:
    with pytest.raises(UsageError, match="has no setting 'min_terms'"):
        load_questions("rg-games", settings={"min_terms": "3"})
