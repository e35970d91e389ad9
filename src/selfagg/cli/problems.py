"""Loads the problems of a training set: one source, or a mixture of several."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from selfagg.benchmarks.given import QuestionSet
from selfagg.cli.options import QuestionOptions
from selfagg.cli.questions import load_source
from selfagg.errors import UsageError

if TYPE_CHECKING:
    from selfagg.training.data import Problems

GYM = "reasoning_gym:"


def load_problems(sources: Sequence[str], options: QuestionOptions) -> Problems:
    """The problems of all sources, one source after the other.

    Args:
        sources: As for every command.
        options: ``--size`` may hold one number a source, with commas between them. Of several sources, ``--set``
            goes to Reasoning Gym's and ``--data`` to the benchmarks.

    Raises:
        UsageError: There is no such source, it cannot give what is asked, or two give problems of one id.
    """
    from selfagg.training.data import Problems

    asked = [
        load_source(source, _own(source, size, options, len(sources))) for source, size in _sizes(sources, options)
    ]
    return Problems(
        questions=[question for source in asked for question in source.questions],
        origins=[origin for source in asked for origin in _origins(source)],
        source="; ".join(source.source for source in asked),
    )


def _sizes(sources: Sequence[str], options: QuestionOptions) -> list[tuple[str, str | None]]:
    sizes = [None] if options.size is None else [size.strip() for size in options.size.split(",")]
    if len(sizes) == 1:
        sizes *= len(sources)
    if len(sizes) != len(sources):
        raise UsageError(f"--size {options.size}: {len(sizes)} numbers for {len(sources)} sources of problems")
    return list(zip(sources, sizes, strict=True))


def _own(source: str, size: str | None, options: QuestionOptions, sources: int) -> QuestionOptions:
    from selfagg.benchmarks import benchmark_names

    own = dataclasses.replace(options, size=size)
    if sources == 1:
        return own
    return dataclasses.replace(
        own,
        data=options.data if source in benchmark_names() else None,
        set_=options.set_ if source.startswith(GYM) else None,
    )


def _origins(asked: QuestionSet) -> list[str]:
    """The source's name for each question; of Reasoning Gym with its task, so that trainers tell tasks apart."""
    gym = asked.name.startswith(GYM)
    return [f"{GYM}{question.group}" if gym else asked.name for question in asked.questions]
