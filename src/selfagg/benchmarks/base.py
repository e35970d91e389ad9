"""The interface of a benchmark: a description, and a function that loads the questions asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Literal

from selfagg.errors import UsageError
from selfagg.types import Example, Kind, Question

Size = int | Literal["all"] | None
"""A number of questions, ``all``, or None for the benchmark's own default."""

InstructionFrom = Literal["own", "file"]
"""The source of the sentence that asks for the answer's form: our own, or the benchmark's file."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The questions that a user asks for.

    Attributes:
        size: Number of questions (the source's own default).
        data: A file or folder to read the benchmark from, not the hub.
        data_seed: Seed of questions that are generated or drawn; benchmarks in files do not use it.
        settings: A setting of the task, as typed; several times.
        examples: Worked examples to set before each question.
        instruction: ``own``: our sentence asks for the answer's form; ``file``: that of the benchmark's file does.
    """

    size: Size = None
    data: Path | None = None
    data_seed: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    examples: int = 0
    instruction: InstructionFrom = "own"


@dataclass(frozen=True, slots=True)
class HubSource:
    """Files of one dataset on the Hugging Face hub.

    Attributes:
        repo: The dataset's id, e.g. ``m-a-p/SuperGPQA``.
        revision: The commit they are read at.
        files: Their paths in the dataset's repository, in the order they are read; none: all parquet files.
    """

    repo: str
    revision: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark, as its file in this package describes it.

    Attributes:
        name: The name that a user types.
        title: The title in tables and reports.
        kind: The kind of its questions.
        size: Number of questions if the user names none.
        load: Gives the questions of a selection, always the same ones in the same order. It raises
            `UsageError` with one sentence for whatever it cannot give.
        hub: The place of its files, or None if it is generated or comes in a package.
        note: Licence and source in one line.
        settings: Names of the settings it takes; None: ``load`` checks them itself.
        paper: What ``--data paper`` reads: the ``files`` of the paper's authors, the ``hub`` as they do, or nothing.
    """

    name: str
    title: str
    kind: Kind
    size: int
    load: Callable[[Selection], list[Question]]
    hub: HubSource | None = None
    note: str = ""
    settings: tuple[str, ...] | None = ()
    paper: Literal["files", "hub"] | None = None


def choose(
    questions: list[Question], selection: Selection, *, source: str, default: int | None = None
) -> list[Question]:
    """Return the questions to ask out of all that a file or benchmark has, in their fixed order.

    Worked examples are taken off the end and are not asked; of the others the first are asked, ``default`` of them
    (all) if the selection names no number.

    Raises:
        UsageError: There are too few, or the last ones have no answer to show.
    """
    size, examples = selection.size, selection.examples
    if examples:
        if examples >= len(questions):
            raise UsageError(f"{source} has {len(questions)} questions: too few to take {examples} worked examples")
        questions, shown = questions[:-examples], questions[-examples:]
        source = f"{source} without its last {examples} (the worked examples)"
        questions = with_examples(questions, shown)
    if size is None or size == "all":
        return questions[: None if size == "all" else default]
    if size < 1:
        raise UsageError(f"the number of questions must be at least 1, not {size}")
    if size > len(questions):
        raise UsageError(f"{source} has {len(questions)} questions to ask; {size} were asked for")
    return questions[:size]


def with_examples(questions: Sequence[Question], shown: Sequence[Question]) -> list[Question]:
    """Return the questions with ``shown`` as worked examples, earlier turns that show a weak model the form.

    What solves one example is a wrong response to the next.

    Raises:
        UsageError: An example has no right response to show.
    """
    responses = [_worked_response(question) for question in shown]
    wrong = responses[1:] + responses[:1] if len(responses) > 1 else [""]
    examples = tuple(
        Example(question.text, right, other) for question, right, other in zip(shown, responses, wrong, strict=True)
    )
    return [replace(question, examples=examples) for question in questions]


def _worked_response(question: Question) -> str:
    """Return a line of working, the running sum where the problem is one, and the answer as asked for."""
    from selfagg.scoring import gold_response

    answer = None if question.kind == "code" else gold_response(question)
    if answer is None:
        raise UsageError(f"{question.id} has no worked solution, so it cannot be shown as an example")
    sums = re.findall(r"-?\d+(?: [+-] -?\d+)+", question.text)
    if len(sums) != 1:
        return f"I work through the problem carefully and check the result.\n\n{answer}"
    first, *parts = sums[0].split(" ")
    signs, terms = parts[::2], parts[1::2]
    totals = accumulate([int(first), *(int(f"{sign}1") * int(term) for sign, term in zip(signs, terms, strict=True))])
    steps = zip(pairwise(totals), signs, terms, strict=True)
    return ", ".join(f"{before} {sign} {term} = {after}" for (before, after), sign, term in steps) + f".\n\n{answer}"
