"""Files of recorded answers: a row a question, with the final answers that a model gave to it and their lengths.

Columns: ``answers`` (a list of texts or numbers; null for a reply without an answer), ``tokens`` (of each reply; left
out where they are not known), and either the columns of a file of questions (see `selfagg.benchmarks.file`) or, without
the questions' texts, ``gold``, ``kind`` (default math), ``group`` and what names a question: ``id``, or ``model``,
``set`` and ``index``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selfagg._internal.arguments import suggest
from selfagg.benchmarks.rows import DataRow
from selfagg.errors import UsageError
from selfagg.types import KINDS, Kind, Question

_NAMES = ("model", "set", "index")


@dataclass(frozen=True, slots=True)
class Samples:
    """The recorded samples of one question.

    Attributes:
        answers: Final answers; None for a reply without one.
        tokens: Tokens of each reply; None where they are not known.
    """

    answers: Sequence[str | None]
    tokens: Sequence[int] | None


def is_recorded(row: DataRow) -> bool:
    """Return True if a row has recorded answers and no question's text."""
    return isinstance(row.values.get("answers"), list) and not row.has("question")


def recorded_question(row: DataRow, *, name: str) -> Question:
    """Return the question of a row without its text, named by ``id``, by model, set and index, or ``NAME-NUMBER``.

    Raises:
        UsageError: A column holds what it must not; the message names row and column.
    """
    named = [row.answer(column) for column in _NAMES if row.has(column)]
    own = row.answer("id") if row.has("id") else " ".join(named) or f"{name}-{row.number + 1}"
    return Question(
        id=own,
        text=f"Question {own}, whose text is not in the file of recorded answers.",
        kind=_kind(row),
        gold=row.answer("gold") if row.has("gold") else None,
        group=row.answer("group") if row.has("group") else " ".join(named[:2]),
    )


def _kind(row: DataRow) -> Kind:
    name = row.text("kind") if row.has("kind") else "math"
    for kind in KINDS:
        if kind == name:
            return kind
    raise UsageError(f"{row.place}: the kind {name!r} in the column 'kind' is unknown; {suggest(name, KINDS)}")


def samples_of(row: DataRow) -> Samples:
    """Return the recorded samples in a row.

    Raises:
        UsageError: The columns ``answers`` and ``tokens`` are not as they must be; the message names the row.
    """
    answers = row.value("answers")
    if not isinstance(answers, list) or not answers or not all(_is_answer(one) for one in answers):
        raise row.wrong("answers", "a list of texts, numbers and nulls", answers)
    tokens = row.value("tokens") if row.has("tokens") else None
    if tokens is not None:
        if not isinstance(tokens, list) or not all(type(one) is int and one >= 0 for one in tokens):
            raise row.wrong("tokens", "a list of whole numbers", tokens)
        if len(tokens) != len(answers):
            raise UsageError(
                f"{row.place}: {len(answers)} answers and {len(tokens)} tokens: one is wanted for each answer"
            )
    single = [
        None if one is None else DataRow(row.place, row.number, {"answers": one}).answer("answers") for one in answers
    ]
    return Samples(single, tokens)


def _is_answer(value: object) -> bool:
    return value is None or (isinstance(value, str | int | float) and not isinstance(value, bool))
