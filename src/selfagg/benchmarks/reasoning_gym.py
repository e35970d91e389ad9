"""Reasoning Gym tasks, generated on the spot (arXiv 2505.24760).

The questions of a task are items 0, 1, 2... of the task's data set, whose seed is the data seed times
`SEED_STRIDE`: item i of a set comes from a generator seeded with "seed + i", so that neighbouring seeds would
give nearly the same questions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from typing import Any

from selfagg.benchmarks.base import Selection
from selfagg.benchmarks.examples import set_before
from selfagg.benchmarks.gym_settings import task_settings
from selfagg.errors import UsageError
from selfagg.near import near
from selfagg.types import Question

DEFAULT_SIZE = 100
SEED_STRIDE = 1_000_000
"""Distance between the seeds of two data seeds, and twice that between questions and worked examples."""


def versions() -> dict[str, str]:
    """Version of the installed library: questions and scores depend on it, so a record names it."""
    from importlib.metadata import version

    return {"reasoning-gym": version("reasoning-gym")}


def task_names() -> list[str]:
    """Every task that the installed library has, sorted."""
    from selfagg.gym import DATASETS

    return sorted(set(DATASETS) - {"composite"})


def load_tasks(names: str, selection: Selection, *, default: int = DEFAULT_SIZE) -> list[Question]:
    """Questions of one or several tasks, spread evenly: a round over the tasks, then the next round.

    Args:
        names: The tasks' names, separated by commas.
        selection: How many questions (``default`` if it does not say), which seed, which settings, how many
            worked examples before each question (of the question's own task).
        default: How many questions where the selection names no number.

    Raises:
        UsageError: An unknown task or setting, a value that the task refuses, or a selection that a generated
            set cannot give.
    """
    tasks = _known_tasks(names)
    size = _size(selection, default)
    if selection.data_seed < 0:
        raise UsageError(f"the data seed cannot be negative ({selection.data_seed})")
    settings = task_settings(tasks, selection.settings)
    questions: dict[str, list[Question]] = {}
    for place, task in enumerate(tasks):
        count = len(range(place, size, len(tasks)))
        items = _entries(task, settings[task], selection.data_seed * SEED_STRIDE, count)
        questions[task] = [
            entry_question(_question_id(task, selection.data_seed, i), task, entry) for i, entry in enumerate(items)
        ]
        if selection.examples:
            shown = _worked(task, settings[task], selection, questions[task])
            questions[task] = set_before(questions[task], shown)
    return [questions[tasks[i % len(tasks)]][i // len(tasks)] for i in range(size)]


def entry_question(question_id: str, task: str, entry: Mapping[str, Any]) -> Question:
    """The question that one entry of a task's data set makes; without a gold answer where many are right."""
    return Question(
        id=question_id,
        text=entry["question"],
        kind="reasoning_gym",
        gold=entry["answer"],
        data={"task": task, "entry": entry},
        group=task,
    )


def _known_tasks(names: str) -> list[str]:
    known = task_names()
    tasks = [name.strip() for name in names.split(",")]
    for task in tasks:
        if task not in known:
            raise UsageError(f"Reasoning Gym has no task {task!r}; {near(task, known)}")
        if tasks.count(task) > 1:
            raise UsageError(f"the Reasoning Gym task {task!r} is named twice")
    return tasks


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


def _entries(task: str, settings: Mapping[str, Any], seed: int, count: int) -> Iterator[dict[str, Any]]:
    from selfagg.gym import create_dataset

    if not count:
        return
    try:
        dataset = create_dataset(task, seed=seed % 2**32, size=count, **settings)
        for i in range(count):
            yield json.loads(json.dumps(dataset[i], default=_plain))
    except Exception as error:  # a task's generator may raise anything when its settings do not fit
        given = ", ".join(f"{name}={value!r}" for name, value in settings.items()) or "its defaults"
        raise UsageError(f"the Reasoning Gym task {task} cannot be made with {given}: {error}") from error


def _worked(
    task: str, settings: Mapping[str, Any], selection: Selection, questions: Sequence[Question]
) -> list[Question]:
    """Solved questions of the task that are none of those asked."""
    asked = {question.text for question in questions}
    wanted, tries = selection.examples, selection.examples + 100
    entries = _entries(task, settings, selection.data_seed * SEED_STRIDE + SEED_STRIDE // 2, tries)
    found = (entry_question(f"{task}-example-{i}", task, entry) for i, entry in enumerate(entries))
    fresh = list(islice((question for question in found if question.text not in asked), wanted))
    if len(fresh) < wanted:
        raise UsageError(f"the task {task} makes too few different questions for {wanted} worked examples")
    return [replace(question, id=f"{task}-example-{i}") for i, question in enumerate(fresh)]


def _plain(value: Any) -> Any:
    """JSON for what entries hold beyond it: NumPy scalars, sets, dates."""
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, Fraction):
        return str(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"an entry holds a {type(value).__name__}, which cannot be recorded")
