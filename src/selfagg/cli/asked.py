"""Loads the questions that a command's options name, and says which they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from selfagg.cli.options import QuestionOptions
from selfagg.types import Question


@dataclass(frozen=True, slots=True)
class Asked:
    """The questions of a run.

    Attributes:
        questions: In their order.
        source: Which they are, in words, for records.
        name: Of their source, for the names of files.
    """

    questions: list[Question]
    source: str
    name: str

    @property
    def count(self) -> str:
        """How many, in words."""
        return "1 question" if len(self.questions) == 1 else f"{len(self.questions):,} questions"


def load_asked(source: str, options: QuestionOptions) -> Asked:
    """The questions of a source.

    Raises:
        UsageError: There is no such source, or it cannot give what is asked.
    """
    from selfagg import extras
    from selfagg.benchmarks import load_questions
    from selfagg.cli import values
    from selfagg.errors import UsageError

    extras.need("eval")  # statistics come at the end of a run, which should not be paid for in vain
    if not source:
        raise UsageError("the source of the questions is empty: name a benchmark, reasoning_gym:TASK or a file")
    settings = values.pairs("--set", options.set_ or ())
    questions = load_questions(
        source,
        size=values.size(options.size),
        data=options.data,
        data_seed=options.data_seed,
        settings=settings,
        examples=options.examples,
    )
    name = Path(source).stem if Path(source).is_file() else source
    return Asked(questions, _described(source, questions, options, settings), name)


def _described(source: str, questions: list[Question], options: QuestionOptions, settings: dict[str, str]) -> str:
    parts = [
        Path(source).name if Path(source).exists() else source,
        f"{len(questions)} questions" if len(questions) > 1 else "1 question",
        *([f"data seed {options.data_seed}"] if options.data_seed else []),
        *(f"{key}={value}" for key, value in sorted(settings.items())),
        *([f"{options.examples} examples"] if options.examples else []),
    ]
    return ", ".join(parts)
