"""Reasoning Gym tasks, generated on the spot (arXiv 2505.24760).

The questions of a task are items 0, 1, 2... of the task's data set, whose seed is the data seed times
`SEED_STRIDE`: item i of a set comes from a generator seeded with "seed + i", so that neighbouring seeds would
give nearly the same questions. They are made in a process of their own (`selfagg.benchmarks.gym_entries`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selfagg.benchmarks.base import Selection
from selfagg.benchmarks.examples import set_before
from selfagg.errors import UsageError
from selfagg.scoring import workers
from selfagg.types import Question

DEFAULT_SIZE = 100
SEED_STRIDE = 1_000_000
"""Distance between the seeds of two data seeds, and twice that between questions and worked examples."""


def versions() -> dict[str, str]:
    """Return the version of the installed library: questions and scores depend on it, so a record names it."""
    from importlib.metadata import version

    return {"reasoning-gym": version("reasoning-gym")}


def task_names() -> list[str]:
    """Return the names of all tasks that the installed library has, sorted."""
    names: list[str] = workers.call("selfagg.benchmarks.gym_entries:task_names")
    return names


def load_tasks(names: str, selection: Selection, *, default: int = DEFAULT_SIZE) -> list[Question]:
    """Return questions of one or several tasks, spread evenly: a round over the tasks, then the next round.

    They are the same in every process.

    Args:
        names: The tasks' names, separated by commas.
        selection: The questions (``default`` of them if it does not say), seed, settings, and number of
            worked examples before each question (of the question's own task).
        default: Number of questions if the selection names none.

    Raises:
        UsageError: An unknown task or setting, a value that the task refuses, or a selection that a generated
            set cannot give.
    """
    size, seed = _size(selection, default), selection.data_seed * SEED_STRIDE
    if selection.data_seed < 0:
        raise UsageError(f"the data seed cannot be negative ({selection.data_seed})")
    given = names, dict(selection.settings), size, seed, selection.examples, seed + SEED_STRIDE // 2
    try:
        made = workers.call("selfagg.benchmarks.gym_entries:make", *given)
    except workers.WorkerError as error:
        if error.error == UsageError.__name__:
            raise UsageError(error.message) from None
        raise
    questions: dict[str, list[Question]] = {}
    for task, (asked, shown) in made.items():
        questions[task] = [
            entry_question(_question_id(task, selection.data_seed, i), task, entry) for i, entry in enumerate(asked)
        ]
        if shown:
            worked = [entry_question(f"{task}-example-{i}", task, entry) for i, entry in enumerate(shown)]
            questions[task] = set_before(questions[task], worked)
    tasks = list(questions)
    return [questions[tasks[i % len(tasks)]][i // len(tasks)] for i in range(size)]


def entry_question(question_id: str, task: str, entry: Mapping[str, Any]) -> Question:
    """Return the question that one entry of a task's data set makes; without a gold answer where many are right."""
    return Question(
        id=question_id,
        text=entry["question"],
        kind="reasoning_gym",
        gold=entry["answer"],
        data={"task": task, "entry": entry},
        group=task,
    )


def _size(selection: Selection, default: int) -> int:
    if selection.data is not None:
        raise UsageError("reasoning_gym:TASK is generated and reads no --data; give the file itself as the source")
    if selection.size == "all":
        raise UsageError("Reasoning Gym generates questions without end: give their number")
    size = default if selection.size is None else selection.size
    if not 1 <= size <= SEED_STRIDE // 2:
        raise UsageError(f"the number of questions must be between 1 and {SEED_STRIDE // 2}, not {size}")
    return size


def _question_id(task: str, data_seed: int, i: int) -> str:
    # Two records pair their questions by id, so another seed's questions need other ids.
    return f"{task}-{i}" if data_seed == 0 else f"{task}-s{data_seed}-{i}"
