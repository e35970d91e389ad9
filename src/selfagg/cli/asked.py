"""Loads the questions that a command's options name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selfagg.cli.options import QuestionOptions

if TYPE_CHECKING:
    from selfagg.benchmarks.given import QuestionSet


def load_asked(source: str, options: QuestionOptions) -> QuestionSet:
    """Return the questions of a source.

    Raises:
        UsageError: There is no such source, or it cannot give what is asked.
    """
    from selfagg.benchmarks.given import loaded_set
    from selfagg.cli import values

    return loaded_set(
        source,
        size=values.size(options.size),
        data=options.data,
        data_seed=options.data_seed,
        settings=values.pairs("--set", options.set_ or ()),
        examples=options.examples,
        instruction=options.instruction,
    )
