from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from selfagg.benchmarks import load_questions
from selfagg.benchmarks.reasoning_gym import COGNITION_TASKS, GAME_TASKS
from selfagg.benchmarks.validate import validate
from selfagg.errors import UsageError

DATA = os.environ.get("SELFAGG_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="SELFAGG_DATA names no folder with the evaluation sets")
SETS = [("rg-games", GAME_TASKS), ("rg-cognition", COGNITION_TASKS)]


@pytest.mark.parametrize(("name", "tasks"), SETS)
async def test_the_generated_sets_take_turns_over_their_tasks(name: str, tasks: tuple[str, ...]) -> None:
    questions = load_questions(name, data_seed=3)
    counts = Counter(q.group for q in questions)
    assert (len(questions), set(counts)) == (100, set(tasks))
    assert max(counts.values()) - min(counts.values()) == 1
    validation = await validate(questions)
    assert validation.failures == ()
    assert {q.group for q in validation.unstated} <= {"boxnet", "rush_hour"}


@needs_data
@pytest.mark.parametrize(("name", "tasks"), SETS)
async def test_the_authors_sets_have_these_tasks_at_this_difficulty(name: str, tasks: tuple[str, ...]) -> None:
    assert DATA
    questions = load_questions(name, data=Path(DATA))
    assert (len(questions), {q.group for q in questions}) == (100, set(tasks))
    assert all(q.text == q.data["entry"]["question"] and q.instruction is None for q in questions)

    def difficulty(task: str, source: list[object]) -> set[str]:
        return {json.dumps(q.data["entry"]["metadata"].get("difficulty")) for q in source if q.group == task}  # type: ignore[attr-defined]

    generated = load_questions(name)
    for task in tasks:
        assert difficulty(task, list(questions)) == difficulty(task, list(generated))
    assert (await validate(questions)).failures == ()


@needs_data
def test_a_files_questions_take_no_settings() -> None:
    assert DATA
    with pytest.raises(UsageError, match="takes no settings"):
        load_questions("rg-games", data=Path(DATA), settings={"min_empty": "3"})
