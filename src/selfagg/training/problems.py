"""Load the problems of a training set: one source, or a mixture of several."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from selfagg.benchmarks import benchmark_names
from selfagg.benchmarks.base import Selection, Size
from selfagg.benchmarks.given import QuestionSet, selected_set
from selfagg.errors import UsageError
from selfagg.training.data import Problems

GYM = "reasoning_gym:"


def load_problems(sources: Sequence[str], selection: Selection, sizes: Sequence[Size] = (None,)) -> Problems:
    """Return the problems of all sources, one source after the other.

    Args:
        sources: Benchmarks, ``reasoning_gym:TASK``, files.
        selection: The problems to take. Of several sources, ``settings`` goes to Reasoning Gym's and ``data`` to the
            benchmarks.
        sizes: Number of problems of each source, or one number for all.

    Raises:
        UsageError: There is no such source, it cannot give what is asked, or two give problems of one id.
    """
    if len(sizes) == 1:
        sizes = [*sizes] * len(sources)
    if len(sizes) != len(sources):
        listed = ",".join(map(str, sizes))
        raise UsageError(f"--size {listed}: {len(sizes)} numbers for {len(sources)} sources of problems")
    asked = [
        selected_set(source, _own(source, dataclasses.replace(selection, size=size), len(sources)))
        for source, size in zip(sources, sizes, strict=True)
    ]
    return Problems(
        questions=[question for one in asked for question in one.questions],
        origins=[origin for one in asked for origin in _origins(one)],
        source="; ".join(one.source for one in asked),
    )


def _own(source: str, selection: Selection, sources: int) -> Selection:
    if sources == 1:
        return selection
    return dataclasses.replace(
        selection,
        data=selection.data if source in benchmark_names() else None,
        settings=selection.settings if source.startswith(GYM) else {},
    )


def _origins(asked: QuestionSet) -> list[str]:
    """Return the source's name for each question; of Reasoning Gym with its task, so that trainers tell tasks apart."""
    gym = asked.name.startswith(GYM)
    return [f"{GYM}{question.group}" if gym else asked.name for question in asked.questions]
