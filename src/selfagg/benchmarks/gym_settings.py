"""Settings of Reasoning Gym tasks, from typed texts to the types of the task's configuration; read in a worker."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from selfagg._internal.arguments import suggest
from selfagg.benchmarks.gym import DATASETS
from selfagg.errors import UsageError

_LIST_WANTED = ("list_type", "tuple_type", "sequence_str")
"""The names that Pydantic gives to a text where a list is wanted."""

_OWN_OPTIONS = {"size": "--size", "seed": "--data-seed"}


def task_settings(tasks: Sequence[str], typed: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return each task's settings.

    ``min_terms`` is set in every task that has it, ``chain_sum.min_terms`` in that task alone. A value is
    read as the type of the configuration's field; lists are written as JSON or with commas.

    Raises:
        UsageError: No task has the setting, or its value does not fit the field.
    """
    hints = {task: _fields(task) for task in tasks}
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


def _fields(task: str) -> dict[str, Any]:
    _, config = DATASETS[task]
    hints = get_type_hints(config)
    return {field.name: hints[field.name] for field in fields(config) if field.name not in _OWN_OPTIONS}


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
