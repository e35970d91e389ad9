"""Entries of Reasoning Gym's data sets, made in a worker process: imported there and nowhere else.

Some generators iterate over sets of texts, whose order hangs on Python's hash seed: worker processes have a fixed one.
Some draw from the generators that all of a process shares: these are seeded before each item. So an item is the same in
every process, whatever was made before it.
"""

from __future__ import annotations

import json
import numbers
import random
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy

from selfagg._internal.arguments import suggest
from selfagg.benchmarks.gym import DATASETS, create_dataset
from selfagg.benchmarks.gym_settings import task_settings
from selfagg.errors import UsageError

Entry = dict[str, Any]
_SEEDS = 2**32


def task_names() -> list[str]:
    """Return the names of all tasks that the installed library has, sorted."""
    return sorted(set(DATASETS) - {"composite"})


def make(
    names: str, typed: Mapping[str, str], size: int, seed: int, examples: int, example_seed: int
) -> dict[str, tuple[list[Entry], list[Entry]]]:
    """Return the entries of each task to ask, and those to show as worked examples.

    Args:
        names: The tasks' names, separated by commas.
        typed: Settings as typed.
        size: Number of entries to ask, of all tasks together; the first tasks get those that are left over.
        seed: Seed of the data sets.
        examples: Number of entries to show for each task; none of them is asked.
        example_seed: Seed of the data sets that these come from.

    Raises:
        UsageError: An unknown task or setting, or a value that the task refuses.
    """
    tasks = _known_tasks(names)
    settings = task_settings(tasks, typed)
    made: dict[str, tuple[list[Entry], list[Entry]]] = {}
    for place, task in enumerate(tasks):
        asked = list(_entries(task, settings[task], seed, len(range(place, size, len(tasks)))))
        shown = _others(task, settings[task], example_seed, examples, asked) if examples else []
        made[task] = asked, shown
    return made


def _known_tasks(names: str) -> list[str]:
    known = task_names()
    tasks = [name.strip() for name in names.split(",")]
    for task in tasks:
        if task not in known:
            raise UsageError(f"Reasoning Gym has no task {task!r}; {suggest(task, known)}")
        if tasks.count(task) > 1:
            raise UsageError(f"the Reasoning Gym task {task!r} is named twice")
    return tasks


def _entries(task: str, settings: Mapping[str, Any], seed: int, count: int) -> Iterator[Entry]:
    if not count:
        return
    try:
        _seed_shared(seed)
        dataset = create_dataset(task, seed=seed % _SEEDS, size=count, **settings)
        for i in range(count):
            _seed_shared(seed + i)
            yield json.loads(json.dumps(dataset[i], default=_plain))
    except Exception as error:  # a task's generator may raise anything when its settings do not fit
        given = ", ".join(f"{name}={value!r}" for name, value in settings.items()) or "its defaults"
        raise UsageError(f"the Reasoning Gym task {task} cannot be made with {given}: {error}") from error


def _seed_shared(seed: int) -> None:
    random.seed(seed)
    numpy.random.seed(seed % _SEEDS)


def _others(task: str, settings: Mapping[str, Any], seed: int, wanted: int, asked: list[Entry]) -> list[Entry]:
    """Return entries of the task that are none of those asked."""
    texts = {entry["question"] for entry in asked}
    entries = _entries(task, settings, seed, wanted + 100)
    fresh = list(islice((entry for entry in entries if entry["question"] not in texts), wanted))
    if len(fresh) < wanted:
        raise UsageError(f"the task {task} makes too few different questions for {wanted} worked examples")
    return fresh


def _plain(value: Any) -> Any:
    """Return JSON for a value beyond it that entries hold: other libraries' numbers, sets, dates, fractions."""
    if isinstance(value, numbers.Integral):
        return int(value)
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, numbers.Rational):
        return str(value)
    if isinstance(value, numbers.Number):
        return float(value)  # type: ignore[arg-type]
    if isinstance(value, set | frozenset):
        return sorted(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"an entry holds a {type(value).__name__}, which cannot be recorded")
