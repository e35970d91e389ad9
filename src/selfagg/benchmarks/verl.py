"""Rows in the form of verl and of the RSA authors' files: ``data_source``, ``prompt``, ``reward_model``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from selfagg.benchmarks.base import InstructionFrom
from selfagg.benchmarks.rows import DataRow
from selfagg.errors import UsageError
from selfagg.types import Kind, Message, Question


@dataclass(frozen=True, slots=True)
class _Source:
    kind: Kind
    closing: str
    """The start of the closing sentence that asks for the answer's form in these files."""


_MATH = _Source("math", " Let's think step by step and output the final answer within")
_CHOICE = _Source("choice", "\n\nThink step by step and output the final correct option letter within")
_GYM = _Source("reasoning_gym", " Let's think step by step and output the final answer between")


def is_verl(row: DataRow) -> bool:
    """Return True if a row has this form."""
    return row.has("prompt") and row.has("reward_model")


def verl_question(
    row: DataRow, *, name: str, benchmark: str | None = None, instruction_from: InstructionFrom = "own"
) -> Question:
    """Return the question of one row.

    The last message of ``prompt`` is the question, those before it are its context; ``data_source`` decides
    its kind.

    Args:
        row: The row.
        name: Prefix of the ids of rows without an id.
        benchmark: The ``data_source`` of the benchmark that the row must be of, or None for any. For a
            benchmark, the sentence that asks for the answer's form is taken off the end of the text, so that
            the question is the one that the hub's own files give. Otherwise the text stays whole, and
            ``instruction`` is empty since the text asks for the form already.
        instruction_from: ``file`` leaves the text of a benchmark's question whole too.

    Raises:
        UsageError: A column is missing or wrong; the message names row and column.
    """
    source = _source(row)
    if benchmark is not None and row.values["data_source"] != benchmark:
        raise UsageError(f"{row.place}: the data_source is {row.values['data_source']!r}, not {benchmark!r}")
    context, text = _conversation(row)
    problem, closing, _ = text.rpartition(source.closing)
    if benchmark is not None and closing and instruction_from == "own":
        text, instruction = problem, None
    else:
        instruction = ""
    gold = row.inside("reward_model").answer("reward_model.ground_truth")
    if source.kind == "reasoning_gym":
        return _gym_question(row, f"{name}-{row.number + 1}", text, instruction, context)
    info: Mapping[str, Any] = row.mapping("extra_info") if row.has("extra_info") else {}
    number = row.values["problem_idx"] if row.has("problem_idx") else row.number + 1
    own_id = info.get("uuid") or f"{name}-{number}"
    group = row.values.get("problem_type") or info.get("discipline") or ""
    return Question(
        id=str(own_id),
        text=text,
        kind=source.kind,
        gold=gold,
        instruction=instruction,
        context=context,
        group=", ".join(map(str, group)) if isinstance(group, list) else str(group),
    )


def _source(row: DataRow) -> _Source:
    source = row.text("data_source")
    if source == "reasoning_gym" or _has_gym_entry(row):
        return _GYM
    if source == "m-a-p/SuperGPQA":
        return _CHOICE
    if source.startswith("MathArena/") or "deepscaler" in source.lower() or row.values.get("ability") == "math":
        return _MATH
    raise UsageError(
        f"{row.place}: the data_source {source!r} is unknown (known: reasoning_gym, m-a-p/SuperGPQA, "
        "MathArena/..., DeepScaleR, or any with the ability 'math'); a file with the columns question, answer and kind "
        "holds other questions"
    )


def _has_gym_entry(row: DataRow) -> bool:
    info = row.values.get("extra_info")
    return isinstance(info, Mapping) and bool(info.get("dataset_name")) and bool(info.get("entry"))


def _conversation(row: DataRow) -> tuple[tuple[Message, ...], str]:
    messages = row.value("prompt")
    if not isinstance(messages, list) or not messages:
        raise row.wrong("prompt", "a list of messages", messages)
    for message in messages:
        fields = (message.get("role"), message.get("content")) if isinstance(message, dict) else (None,)
        if not all(isinstance(field, str) for field in fields):
            raise row.wrong("prompt", "a list of messages with role and content", message)
    *context, last = messages
    if last.get("role") != "user":
        raise UsageError(f"{row.place}: the last message of the column 'prompt' must be the user's")
    return tuple({"role": m["role"], "content": m["content"]} for m in context), last["content"]


def _gym_question(
    row: DataRow, question_id: str, text: str, instruction: str | None, context: tuple[Message, ...]
) -> Question:
    from selfagg.benchmarks.reasoning_gym import entry_question

    info = row.inside("extra_info")
    task, entry = info.text("extra_info.dataset_name"), info.mapping("extra_info.entry")
    if not isinstance(entry.get("metadata"), Mapping) or not {"question", "answer"} <= entry.keys():
        raise UsageError(f"{row.place}: the column 'extra_info.entry' lacks question, answer or metadata")
    question = entry_question(question_id, task, entry)
    return replace(question, text=text, instruction=instruction, context=context)
