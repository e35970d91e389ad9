"""The texts of one question, packed: the page unpacks them when a reader opens a member."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

from selfagg.html_report.formulas import formula
from selfagg.html_report.markup import Node, coloured, nodes
from selfagg.html_report.prompt_parts import candidate_texts, sent_as, template
from selfagg.prompts.prompt import CandidateFormat
from selfagg.record.record import CANDIDATE, Record
from selfagg.record.rows import CLOSING
from selfagg.types import Member, Question

_CALLS = "SELECT role, t, i, prompt, cut, seed, tries FROM generations WHERE question = ?"
_NOTES = "SELECT t, i, note FROM scores WHERE question = ? AND note != ''"


def packed(record: Record, position: int, question: Question, view: CandidateFormat) -> str:
    """Return all texts of a question as JSON, deflated (zlib format) and in base64."""
    text = json.dumps(question_texts(record, position, question, view), ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), 6)).decode("ascii")


def question_texts(record: Record, position: int, question: Question, view: CandidateFormat) -> dict[str, Any]:
    """Return the texts that a reader may open: the question, prompts' parts, replies, and their circumstances."""
    generations = record.members(position, role=None)
    population = {(t, i): member for (role, t, i), member in generations.items() if role == CANDIDATE}
    calls = {(role, t, i): rest for role, t, i, *rest in record.query(_CALLS, (position,))}
    notes = {(t, i): note for t, i, note in record.query(_NOTES, (position,))}
    templates: dict[int, list[dict[str, Any]]] = {}
    members: dict[str, dict[str, Any]] = {}
    for (t, i), member in population.items():
        parents = [population[t - 1, j] for j in member.parents if (t - 1, j) in population]
        shown = candidate_texts(view, parents)
        prompt, cut, seed, tries = calls[CANDIDATE, t, i]
        exact = prompt == sent_as(question, shown)
        if len(shown) not in templates:
            templates[len(shown)] = template(question, len(shown))
        members[f"{t}.{i}"] = {
            **_member(member, question),
            "shows": [parent.i for parent in parents if parent.reply],
            "exact": exact,
            "cut": cut,
            "seed": seed,
            "tries": tries,
            "note": notes.get((t, i), ""),
            "shown": view(member) if member.reply and view(member) != member.text.strip() else None,
        }
    for (role, t, i), member in generations.items():
        # A closing call is told with the first of the members that it shows.
        about = f"{t - 1}.{member.parents[0]}" if role == CLOSING and member.parents else f"{t}.{i}"
        if role != CANDIDATE and about in members:
            also = members[about].setdefault("also", [])
            also.append({"role": role, "text": member.text, "error": member.error})
    return {
        # A puzzle's text is full of boards and grids that only look like markdown.
        "question": None if question.kind == "reasoning_gym" else nodes(question.text),
        "text": question.text,
        "gold": question.gold,
        "gold_nodes": _answer_nodes(question, question.gold),
        "prompts": templates,
        "members": members,
    }


def _member(member: Member, question: Question) -> dict[str, Any]:
    reply = member.reply
    told: dict[str, Any] = {"answer": member.answer, "score": member.score, "error": member.error}
    told["answer_nodes"] = _answer_nodes(question, member.answer)
    if reply is None:
        return told
    used = reply.usage
    return {
        **told,
        "text": reply.text,
        "nodes": nodes(reply.text) if question.kind != "code" or "```" in reply.text else _program(reply.text),
        "reasoning": reply.reasoning,
        "stop": reply.stop.value,
        "tokens": None if used.unknown else [used.prompt, used.cached, used.completion, used.reasoning],
        "seconds": round(reply.seconds, 3),
    }


def _answer_nodes(question: Question, answer: str | None) -> Node | None:
    """Return an answer as a formula, where it is LaTeX that plain text would not do justice to."""
    return formula(answer, False) if answer and question.kind == "math" and set("\\^_") & set(answer) else None


def _program(text: str) -> list[Any]:
    return [["pre", ["code", *coloured(text, "python")]]]
