"""A user's own questions: JSON lines, JSON, CSV, TSV or parquet with the columns question, answer and kind.

Columns: ``question`` (text); ``answer`` (text or a number; without it there is nothing to score by);
``kind`` (math, choice, reasoning_gym, code, text; default text); and, where wanted, ``id``, ``group``,
``instruction`` (how the answer is to be written), ``options`` (of a choice: listed below the question as
A, B...; the answer is a letter or an option's text) and ``data`` (an object: what scoring needs beyond the
answer). Two other forms are known by their columns.

The form of verl and of the RSA authors' files: ``data_source``, ``prompt``, ``reward_model``.

Recorded answers, a row a question with the final answers that a model gave to it: ``answers`` (a list of texts or
numbers; null for a reply without an answer), ``tokens`` (of each reply; left out where they are not known), and either
the columns above or, without the questions' texts, ``gold``, ``kind`` (default math), ``group`` and what names a
question: ``id``, or ``model``, ``set`` and ``index``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from string import ascii_uppercase
from types import NoneType
from typing import Any, NamedTuple

from selfagg._internal.arguments import suggest
from selfagg.benchmarks.base import Selection, choose
from selfagg.benchmarks.data_files import DataRow, data_files, read_rows, stem, unique
from selfagg.errors import UsageError
from selfagg.scoring.choice import stated_letter
from selfagg.types import KINDS, Kind, Message, Question

_CLOSINGS: Mapping[Kind, str] = {
    "math": " Let's think step by step and output the final answer within",
    "choice": "\n\nThink step by step and output the final correct option letter within",
    "reasoning_gym": " Let's think step by step and output the final answer between",
}
"""The start of the sentence that asks for the answer's form in the authors' files."""


def load_file(path: Path, selection: Selection) -> list[Question]:
    """Return the questions of one file, or of all data files in a folder.

    Raises:
        UsageError: Something is missing or broken; the message names file, line or row, and column.
    """
    if selection.data is not None:
        raise UsageError(f"{path} is a file already: --data goes with a benchmark's name")
    # Worked examples come off the end, so that all must be read.
    most = selection.size if isinstance(selection.size, int) and not selection.examples else None
    found: list[tuple[Question, str]] = []
    for file in data_files(path):
        if most is not None and 0 < most <= len(found):
            break
        rows = read_rows(file, max(most - len(found), 1) if most is not None else None)
        found += [(question_of_row(row, name=stem(file)), row.place) for row in rows]
    return choose(unique(found), selection, source=path.name)


def list_options(question: str, options: list[str]) -> str:
    """Return a multiple-choice question with its options below it, each with its letter."""
    listed = (f"Option {letter} : {option}" for letter, option in zip(ascii_uppercase, options, strict=False))
    return "\n\n".join([question, *listed])


def question_of_row(row: DataRow, *, name: str) -> Question:
    """Return the question in a row of any form; one without an id gets ``NAME-NUMBER``."""
    if is_recorded(row):
        return recorded_question(row, name=name)
    if is_verl(row):
        return verl_question(row, name=name)
    text, kind, gold = row.text("question"), _kind(row, "text"), _given(row, "answer")
    if gold is not None and not gold.strip():
        raise UsageError(f"{row.place}: the column 'answer' is blank; leave it out where no answer is known")
    if kind == "choice" and row.has("choices") and not row.has("options"):
        raise UsageError(f"{row.place}: what can be chosen goes into the column 'options', and 'choices' is not read")
    if row.has("options"):
        options = row.texts("options")
        text, gold = list_options(text, options), _letter(row, gold, options)
    data = row.mapping("data") if row.has("data") else {}
    if kind == "code" and (data or gold is not None):
        from selfagg.scoring.code_tests import read_tests

        try:
            read_tests(data)
        except UsageError as error:
            raise UsageError(f"{row.place}, column 'data': {error}") from None
    if kind == "reasoning_gym" and (missing := [field for field in ("task", "entry") if field not in data]):
        raise UsageError(
            f"{row.place}: the column 'data' lacks the Reasoning Gym {' and the '.join(missing)} to score by"
        )
    # None: the kind's own instruction; empty text: none, as the question has one.
    instruction = row.values.get("instruction")
    return Question(
        id=_given(row, "id") or f"{name}-{row.number + 1}",
        text=text,
        kind=kind,
        gold=gold,
        instruction=instruction if instruction in (None, "") else row.text("instruction"),
        data=data,
        group=_given(row, "group") or "",
    )


def _given(row: DataRow, column: str) -> str | None:
    return row.answer(column) if row.has(column) else None


def _kind(row: DataRow, default: Kind) -> Kind:
    name = row.text("kind") if row.has("kind") else default
    for kind in KINDS:
        if kind == name:
            return kind
    raise UsageError(f"{row.place}: the kind {name!r} in the column 'kind' is unknown; {suggest(name, KINDS)}")


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


def is_verl(row: DataRow) -> bool:
    """Return True if a row has the form of verl."""
    return row.has("prompt") and row.has("reward_model")


def verl_question(row: DataRow, *, name: str, benchmark: str | None = None, keep_closing: bool = False) -> Question:
    """Return the question of one row in the form of verl.

    The last message of ``prompt`` is the question, those before it are its context; ``data_source`` decides its kind.
    The text asks for the answer's form, and stays whole with an empty ``instruction``. But where ``benchmark`` names
    the ``data_source`` that the row must be of, that sentence is taken off its end unless ``keep_closing``, so that the
    question is the one that the hub's own files give. A row without an id gets ``NAME-NUMBER``.
    """
    kind = _verl_kind(row)
    if benchmark is not None and row.values["data_source"] != benchmark:
        raise UsageError(f"{row.place}: the data_source is {row.values['data_source']!r}, not {benchmark!r}")
    context, text = _conversation(row)
    worded: dict[str, Any] = {"text": text, "instruction": "", "context": context}
    problem, closing, _ = text.rpartition(_CLOSINGS[kind])
    if benchmark is not None and closing and not keep_closing:
        worded |= {"text": problem, "instruction": None}
    gold = row.inside("reward_model").answer("reward_model.ground_truth")
    if kind == "reasoning_gym":
        from selfagg.benchmarks.reasoning_gym import entry_question

        puzzle = row.inside("extra_info")
        task, entry = puzzle.text("extra_info.dataset_name"), puzzle.mapping("extra_info.entry")
        if not isinstance(entry.get("metadata"), Mapping) or not {"question", "answer"} <= entry.keys():
            raise UsageError(f"{row.place}: the column 'extra_info.entry' lacks question, answer or metadata")
        return replace(entry_question(f"{name}-{row.number + 1}", task, entry), **worded)
    info: Mapping[str, Any] = row.mapping("extra_info") if row.has("extra_info") else {}
    number = row.values["problem_idx"] if row.has("problem_idx") else row.number + 1
    group = row.values.get("problem_type") or info.get("discipline") or ""
    return Question(
        id=str(info.get("uuid") or f"{name}-{number}"),
        kind=kind,
        gold=gold,
        group=", ".join(map(str, group)) if isinstance(group, list) else str(group),
        **worded,
    )


def _verl_kind(row: DataRow) -> Kind:
    source, info = row.text("data_source"), row.values.get("extra_info")
    puzzle = isinstance(info, Mapping) and info.get("dataset_name") and info.get("entry")
    if source == "reasoning_gym" or puzzle:
        return "reasoning_gym"
    if source == "m-a-p/SuperGPQA":
        return "choice"
    if source.startswith("MathArena/") or "deepscaler" in source.lower() or row.values.get("ability") == "math":
        return "math"
    raise UsageError(
        f"{row.place}: the data_source {source!r} is unknown (known: reasoning_gym, m-a-p/SuperGPQA, "
        "MathArena/..., DeepScaleR, or any with the ability 'math'); a file with the columns question, answer and kind "
        "holds other questions"
    )


def _conversation(row: DataRow) -> tuple[tuple[Message, ...], str]:
    messages = row.value("prompt")
    if not isinstance(messages, list) or not messages:
        raise row.wrong("prompt", "a list of messages", messages)
    for message in messages:
        if not isinstance(message, dict) or not all(isinstance(message.get(key), str) for key in ("role", "content")):
            raise row.wrong("prompt", "a list of messages with role and content", message)
    *context, last = messages
    if last["role"] != "user":
        raise UsageError(f"{row.place}: the last message of the column 'prompt' must be the user's")
    return tuple({"role": m["role"], "content": m["content"]} for m in context), last["content"]


class Samples(NamedTuple):
    """The recorded samples of one question: final answers, None for a reply without one, and tokens where known."""

    answers: Sequence[str | None]
    tokens: Sequence[int] | None


def is_recorded(row: DataRow) -> bool:
    """Return True if a row has recorded answers and no question's text."""
    return isinstance(row.values.get("answers"), list) and not row.has("question")


def recorded_question(row: DataRow, *, name: str) -> Question:
    """Return the question of a row without its text, named by ``id``, by model, set and index, or ``NAME-NUMBER``."""
    named = [row.answer(column) for column in ("model", "set", "index") if row.has(column)]
    own = _given(row, "id") or " ".join(named) or f"{name}-{row.number + 1}"
    return Question(
        id=own,
        text=f"Question {own}, whose text is not in the file of recorded answers.",
        kind=_kind(row, "math"),
        gold=_given(row, "gold"),
        group=_given(row, "group") or " ".join(named[:2]),
    )


def samples_of(row: DataRow) -> Samples:
    """Return the recorded samples in a row."""
    answers, known = row.value("answers"), (str, int, float, NoneType)
    if not isinstance(answers, list) or not answers or not all(type(one) in known for one in answers):
        raise row.wrong("answers", "a list of texts, numbers and nulls", answers)
    tokens = row.value("tokens") if row.has("tokens") else None
    if tokens is not None:
        if not isinstance(tokens, list) or not all(type(one) is int and one >= 0 for one in tokens):
            raise row.wrong("tokens", "a list of whole numbers", tokens)
        if len(tokens) != len(answers):
            counted = f"{len(answers)} answers and {len(tokens)} tokens"
            raise UsageError(f"{row.place}: {counted}: one is wanted for each answer")
    single = [None if one is None else replace(row, values={"answers": one}).answer("answers") for one in answers]
    return Samples(single, tokens)
