"""Worked examples before a question, as earlier turns: they show a weak model the form of a good response."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from selfagg.benchmarks.base import Selection, cut
from selfagg.errors import UsageError
from selfagg.types import Example, Question

_SUM = re.compile(r"-?\d+(?: [+-] -?\d+)+")


def choose(questions: list[Question], selection: Selection, *, default: int, source: str) -> list[Question]:
    """Return the questions to ask out of all that a file or benchmark has.

    Worked examples are taken off the end and are not asked; of the others the first are asked.

    Args:
        questions: All there are, in their fixed order.
        selection: Number of questions, and of worked examples before each.
        default: Number of questions if the selection names none; fewer if there are fewer.
        source: Name of the source in messages.

    Raises:
        UsageError: There are too few, or the last ones have no answer to show.
    """
    if not selection.examples:
        return cut(questions, selection.size, default=default, source=source)
    if selection.examples >= len(questions):
        raise UsageError(
            f"{source} has {len(questions)} questions: too few to take {selection.examples} worked examples"
        )
    asked, shown = questions[: -selection.examples], questions[-selection.examples :]
    source = f"{source} without its last {selection.examples} (the worked examples)"
    return set_before(cut(asked, selection.size, default=default, source=source), shown)


def set_before(questions: Sequence[Question], shown: Sequence[Question]) -> list[Question]:
    """Return the questions with ``shown`` as worked examples; what solves one is a wrong response to the next."""
    responses = [worked_response(question) for question in shown]
    wrong = responses[1:] + responses[:1] if len(responses) > 1 else [""]
    examples = tuple(
        Example(question.text, right, other) for question, right, other in zip(shown, responses, wrong, strict=True)
    )
    return [replace(question, examples=examples) for question in questions]


def worked_response(question: Question) -> str:
    """Return a right response: a line of working and the answer as asked for.

    Raises:
        UsageError: There is no right response to show.
    """
    from selfagg.scoring import stated

    answer = None if question.kind == "code" else stated(question)
    if answer is None:
        raise UsageError(f"{question.id} has no worked solution, so it cannot be shown as an example")
    return f"{_working(question)}\n\n{answer}"


def _working(question: Question) -> str:
    """Return one line before the answer: the running sum where the problem is a sum, else a general sentence."""
    sums = _SUM.findall(question.text)
    if len(sums) != 1:
        return "I work through the problem carefully and check the result."
    parts = sums[0].split(" ")
    terms = [int(parts[0])] + [
        int(term) * (1 if sign == "+" else -1) for sign, term in zip(parts[1::2], parts[2::2], strict=True)
    ]
    totals = list(accumulate(terms))
    steps = zip(pairwise(totals), parts[1::2], parts[2::2], strict=True)
    return ", ".join(f"{before} {sign} {term} = {after}" for (before, after), sign, term in steps) + "."
