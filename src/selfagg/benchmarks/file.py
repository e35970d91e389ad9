"""A user's own questions: JSON lines, JSON, CSV, TSV or parquet with the columns question, answer and kind.

Columns: ``question`` (text); ``answer`` (text or a number; without it there is nothing to score by);
``kind`` (math, choice, reasoning_gym, code, text; default text); and, where wanted, ``id``, ``group``,
``instruction`` (how the answer is to be written), ``options`` (of a choice: listed below the question as
A, B...; the answer is a letter or an option's text) and ``data`` (an object: what scoring needs beyond the
answer). Files in verl's form and files of recorded answers are known by their columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from selfagg._internal.suggest import suggest
from selfagg.benchmarks.base import Selection
from selfagg.benchmarks.examples import choose
from selfagg.benchmarks.formats import stem
from selfagg.benchmarks.hub import data_files
from selfagg.benchmarks.recorded import is_recorded, recorded_question
from selfagg.benchmarks.rows import DataRow, read_rows, unique
from selfagg.benchmarks.verl import is_verl, verl_question
from selfagg.errors import UsageError
from selfagg.scoring.choice import stated_letter
from selfagg.types import KINDS, Kind, Question


def load_file(path: Path, selection: Selection) -> list[Question]:
    """Return the questions of one file, or of all data files in a folder: all, unless the selection says fewer.

    Raises:
        UsageError: Something is missing or broken; the message names file, line or row, and column.
    """
    if selection.data is not None:
        raise UsageError(f"{path} is a file already: --data goes with a benchmark's name")
    # Worked examples come off the end, so that all must be read.
    most = selection.size if isinstance(selection.size, int) and not selection.examples else None
    rows: list[DataRow] = []
    questions: list[Question] = []
    for file in data_files(path):
        if most is not None and 0 < most <= len(rows):
            break
        found = read_rows(file, max(most - len(rows), 1) if most is not None else None)
        rows += found
        questions += [question_of_row(row, name=stem(file)) for row in found]
    return choose(unique(questions, rows), selection, default=len(questions), source=path.name)


def list_options(question: str, options: list[str]) -> str:
    """Return a multiple-choice question with its options below it, each with its letter."""
    listed = (f"Option {letter} : {option}" for letter, option in zip(ascii_uppercase, options, strict=False))
    return "\n\n".join([question, *listed])


def question_of_row(row: DataRow, *, name: str) -> Question:
    """Return the question in a row; one without an id gets ``NAME-NUMBER``.

    Raises:
        UsageError: A column is missing or holds what it must not; the message names row and column.
    """
    if is_recorded(row):
        return recorded_question(row, name=name)
    if is_verl(row):
        return verl_question(row, name=name)
    text, kind = row.text("question"), _kind(row)
    gold = row.answer("answer") if row.has("answer") else None
    if gold is not None and not gold.strip():
        raise UsageError(f"{row.place}: the column 'answer' is blank; leave it out where no answer is known")
    if kind == "choice" and row.has("choices") and not row.has("options"):
        raise UsageError(f"{row.place}: what can be chosen goes into the column 'options', and 'choices' is not read")
    if row.has("options"):
        options = row.texts("options")
        text = list_options(text, options)
        gold = _letter(row, gold, options)
    return Question(
        id=row.answer("id") if row.has("id") else f"{name}-{row.number + 1}",
        text=text,
        kind=kind,
        gold=gold,
        instruction=_instruction(row),
        data=_data(row, kind, gold),
        group=row.answer("group") if row.has("group") else "",
    )


def _kind(row: DataRow) -> Kind:
    if not row.has("kind"):
        return "text"
    name = row.text("kind")
    for kind in KINDS:
        if kind == name:
            return kind
    raise UsageError(f"{row.place}: the kind {name!r} in the column 'kind' is unknown; {suggest(name, KINDS)}")


def _instruction(row: DataRow) -> str | None:
    """Return the instruction of a row; None: the kind's own; empty text: none, as the question has one."""
    given = row.values.get("instruction")
    return given if given in (None, "") else row.text("instruction")


def _letter(row: DataRow, gold: str | None, options: list[str]) -> str | None:
    """Return the letter of the right option, which may be given as ``B``, ``(B)``, ``B.`` or by the option's text."""
    if len(options) > len(ascii_uppercase):
        raise UsageError(f"{row.place}: the column 'options' has more than {len(ascii_uppercase)} options")
    letter = None if gold is None else stated_letter(gold, options)
    if gold is not None and letter is None:
        raise UsageError(
            f"{row.place}: the column 'answer' must be an option's letter (A to {ascii_uppercase[len(options) - 1]}) "
            f"or the text of exactly one option, not {gold!r}"
        )
    return letter


def _data(row: DataRow, kind: Kind, gold: str | None) -> Mapping[str, Any]:
    data = row.mapping("data") if row.has("data") else {}
    if kind == "code" and (data or gold is not None):
        _check_tests(row, data)
    if kind != "reasoning_gym":
        return data
    missing = [name for name in ("task", "entry") if name not in data]
    if missing:
        raise UsageError(
            f"{row.place}: the column 'data' lacks the Reasoning Gym {' and the '.join(missing)} to score by"
        )
    return data


def _check_tests(row: DataRow, data: Mapping[str, Any]) -> None:
    from selfagg.scoring.code_tests import read_tests

    try:
        read_tests(data)
    except UsageError as error:
        raise UsageError(f"{row.place}, column 'data': {error}") from None
