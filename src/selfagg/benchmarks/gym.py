"""Reasoning Gym, imported here and nowhere else: in worker processes, since it takes a second.

Some generators iterate over sets of texts, whose order hangs on Python's hash seed: worker processes have a fixed one.
Some draw from the generators that all of a process shares: these are seeded before each item. So an item is the same in
every process, whatever was made before it.
"""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from fractions import Fraction
from itertools import islice
from typing import Any, get_type_hints

import numpy
from pydantic import TypeAdapter, ValidationError

from selfagg._internal.arguments import suggest
from selfagg.errors import UsageError

with warnings.catch_warnings():  # of sources that Python compiles at the first use where an installer has not done it
    warnings.simplefilter("ignore", SyntaxWarning)
    from reasoning_gym import create_dataset  # type: ignore[import-untyped]
    from reasoning_gym.factory import DATASETS, get_score_answer_fn  # type: ignore[import-untyped]

__all__ = ["DATASETS", "get_score_answer_fn", "make", "task_names"]

Entry = dict[str, Any]

_SEEDS = 2**32
_OWN_OPTIONS = {"size": "--size", "seed": "--data-seed"}
_LIST_WANTED = ("list_type", "tuple_type", "sequence_str")  # what Pydantic calls a text where a list is wanted


def task_names() -> list[str]:
    """Return the names of all tasks that the installed library has, sorted."""
    return sorted(set(DATASETS) - {"composite"})


def make(
    names: str, typed: Mapping[str, str], size: int, seed: int, examples: int, example_seed: int
) -> dict[str, tuple[list[Entry], list[Entry]]]:
    """Return for each task the entries to ask, and ``examples`` others to show, from data sets of their own seed.

    Names are separated by commas. ``size`` counts the entries of all tasks; the first tasks get those left over.

    Raises:
        UsageError: An unknown task or setting, or a value that the task refuses.
    """
    known, tasks = task_names(), [name.strip() for name in names.split(",")]
    for task in tasks:
        if task not in known:
            raise UsageError(f"Reasoning Gym has no task {task!r}; {suggest(task, known)}")
        if tasks.count(task) > 1:
            raise UsageError(f"the Reasoning Gym task {task!r} is named twice")
    settings = _settings(tasks, typed)
    made: dict[str, tuple[list[Entry], list[Entry]]] = {}
    for place, task in enumerate(tasks):
        asked = list(_entries(task, settings[task], seed, len(range(place, size, len(tasks)))))
        texts = {entry["question"] for entry in asked}
        others = _entries(task, settings[task], example_seed, examples + 100 if examples else 0)
        shown = list(islice((entry for entry in others if entry["question"] not in texts), examples))
        if len(shown) < examples:
            raise UsageError(f"the task {task} makes too few different questions for {examples} worked examples")
        made[task] = asked, shown
    return made


def _settings(tasks: Sequence[str], typed: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return each task's settings.

    ``min_terms`` is set in every task that has it, ``chain_sum.min_terms`` in that task alone. A value is
    read as the type of the configuration's field; lists are written as JSON or with commas.
    """
    hints = {}
    for task in tasks:
        _, config = DATASETS[task]
        types = get_type_hints(config)
        hints[task] = {field.name: types[field.name] for field in fields(config) if field.name not in _OWN_OPTIONS}
    found: dict[str, dict[str, Any]] = {task: {} for task in tasks}
    for name, text in typed.items():
        task, dot, short = name.rpartition(".")
        if dot and task not in hints:
            raise UsageError(f"the setting {name!r} is of a task that is not asked; {suggest(task, hints)}")
        takers = [task] if dot else [task for task in tasks if name in hints[task]]
        known = {field for task in takers or tasks for field in hints[task]}
        if short in _OWN_OPTIONS:
            raise UsageError(f"{short!r} is not a task's setting here: use {_OWN_OPTIONS[short]}")
        if short not in known:
            raise UsageError(f"{', '.join(takers or tasks)} has no setting {short!r}; {suggest(short, known)}")
        for task in takers:
            found[task][short] = _value(f"{task}.{short}", text, hints[task][short])
    return found


def _value(name: str, text: str, hint: Any) -> Any:
    value: Any = text
    if text.lstrip()[:1] in ("[", "{"):
        try:
            value = json.loads(text)
        except ValueError as error:
            raise UsageError(f"the value of {name} is not valid JSON ({error})") from None
    field: TypeAdapter[Any] = TypeAdapter(hint)
    try:
        try:
            return field.validate_python(value)
        except ValidationError as error:
            if value is not text or error.errors()[0]["type"] not in _LIST_WANTED:
                raise
            return field.validate_python([part.strip() for part in text.split(",")])
    except ValidationError as error:
        raise UsageError(f"{name} cannot be {text!r}: {error.errors()[0]['msg']}") from None


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


def _plain(value: Any) -> Any:
    """Return JSON for a value beyond it that entries hold: numpy's numbers, fractions."""
    if isinstance(value, numpy.generic):
        return value.item()
    if isinstance(value, Fraction):
        return str(value)
    raise TypeError(f"an entry holds a {type(value).__name__}, which cannot be recorded")
