"""Reasoning Gym's scorers, as they run in worker processes: imported there and nowhere else."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from selfagg.benchmarks.gym import DATASETS, get_score_answer_fn
from selfagg.scoring.worker_process import guard_libraries

_GRID_TASKS = ("arc_agi", "rearc")
"""Their scorers compare with a tuple of tuples, which JSON has turned into lists: no answer would be right."""


class UnknownTask(LookupError):
    """This version of Reasoning Gym has no such task."""


class BrokenEntry(ValueError):
    """An entry lacks what its task scores with."""


def score(task: str, entry: Mapping[str, Any], answer: str) -> float:
    """Return the score that the task's own ``score_answer`` gives an answer, but 0.0 where that is plainly mistaken.

    Raises:
        UnknownTask: This version has no such task.
        BrokenEntry: The task cannot score its own gold answer either: the entry is at fault, not the answer.
        Exception: Whatever the task's scorer raises for this answer.
    """
    scorer = _scorer(task)
    try:
        if task in _GRID_TASKS:
            metadata = entry["metadata"]
            entry = {**entry, "metadata": {**metadata, "output": tuple(map(tuple, metadata["output"]))}}
        score = float(scorer(answer, entry))
        return 0.0 if score >= 1.0 and _mistaken(task, answer, entry) else score
    except MemoryError:
        raise
    except Exception as error:
        try:
            scorer(entry["answer"], entry)
        except Exception:
            raise BrokenEntry(f"{type(error).__name__}: {error}") from None
        raise


def _mistaken(task: str, answer: str, entry: Mapping[str, Any]) -> bool:
    """Return True if a task's scorer takes a wrong answer for right (Reasoning Gym 0.1.25).

    It compares truth values of texts (every text is true), a minimum with NaN, the digits that two numbers begin with
    (0 for 0.3), a number without its sign, or a sum of letters that rounding carries past 1.
    """
    gold = str(entry["answer"])
    match task:
        case "game_of_life_halting":
            return set(re.findall("true|false", answer.lower())) != {gold.lower()}
        case "spell_backward":
            return answer.strip().lower() != gold.lower()
        case "complex_arithmetic":
            return "nan" in answer.lower()
        case "coin_flip":
            return abs(Fraction(answer.replace(",", "")) - Fraction(gold)) > Fraction(1, 10_000)
        case "gsm_symbolic":
            return re.match(r"[^\d]*-\s*\$?\d", answer) is not None and not gold.startswith("-")
    return False


@functools.cache
def _scorer(task: str) -> Callable[[str, Mapping[str, Any]], float]:
    if task not in DATASETS:
        raise UnknownTask(task)
    scorer: Callable[[str, Mapping[str, Any]], float] = get_score_answer_fn(task)
    guard_libraries()
    return scorer
