"""The questions of the page: a letter a member before anything is opened, and packed texts for those who open one."""

from __future__ import annotations

import base64
import itertools
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from selfagg.analysis.aggregation import fate
from selfagg.analysis.member_outcomes import verdict
from selfagg.html_report.formulas import formula
from selfagg.html_report.markup import Node, coloured, nodes
from selfagg.models.base import fingerprint
from selfagg.prompts import aggregation, first
from selfagg.prompts.prompt import CandidateFormat
from selfagg.record.record import CANDIDATE, Record
from selfagg.record.rows import CLOSING
from selfagg.types import Member, Question

RIGHT, PARTIAL, UNANSWERED, FAILED, MISSING = "r", "p", "n", "f", "m"
"""First letters of `verdict`'s words, which stand for members; and the letter of one that is still to come."""

_EXCERPT = 400
_LONGEST_LEAD = 1_500
_ANSWER = 80
_MEMBERS = """
SELECT g.question, g.t, g.i, g.parents, g.error IS NOT NULL, substr(s.answer, 1, ?), s.score, s.same,
    s.score IS NULL AND s.note != '' AND g.error IS NULL
FROM generations g LEFT JOIN scores s ON s.question = g.question AND s.t = g.t AND s.i = g.i
WHERE g.role = 'candidate' ORDER BY g.question, g.t, g.i
"""

_HEADING = 40
_MARK = "\ue000{}\ue001"  # private-use characters, which no question holds


def questions(record: Record, sizes: Mapping[int, int]) -> list[dict[str, Any]]:
    """Return every question with its populations.

    Args:
        record: The record.
        sizes: Members of each population, by its number from 1.
    """
    rows = record.query(_MEMBERS, (_ANSWER,))
    by_question = {position: list(group) for position, group in itertools.groupby(rows, key=lambda row: row[0])}
    return [
        _question(question, by_question.get(position, []), sizes, record.weights(position))
        for position, question in record.numbered()
    ]


def _question(
    question: Question, rows: Sequence[tuple[Any, ...]], sizes: Mapping[int, int], weights: Sequence[float] | None
) -> dict[str, Any]:
    populations: dict[int, dict[str, Any]] = {
        t: {"states": [MISSING] * size, "parents": [""] * size, "answers": [None] * size, "same": [None] * size}
        for t, size in sizes.items()
    }
    for _, t, i, parents, failed, answer, score, same, _ in rows:
        if t not in populations or i >= sizes[t]:
            continue
        population = populations[t]
        letter = verdict(answer, score, failed=bool(failed))[0]
        population["states"][i] = letter
        population["parents"][i] = parents[1:-1].replace(" ", "")
        population["answers"][i] = answer
        population["same"][i] = same
        if letter == PARTIAL:
            population.setdefault("scores", {})[i] = round(score, 3)
    done = weights is not None
    shown: list[dict[str, Any]] = []
    for _, population in sorted(populations.items()):
        states = "".join(population["states"])
        # A question that is done has no member to come: it stopped, or its vote was decided.
        if there := len(states.rstrip(MISSING)) if done else len(states):
            lists = {name: population[name][:there] for name in ("parents", "answers", "same")}
            shown.append({**population, **lists, "states": states[:there]})
    letters, groups = [one["states"] for one in shown], [one["same"] for one in shown]
    scored, undecided = any(row[6] is not None for row in rows), any(row[8] for row in rows)
    return {
        "id": question.id,
        "group": question.group,
        "kind": question.kind,
        "excerpt": " ".join(question.text[: 2 * _EXCERPT].split())[:_EXCERPT],
        "lead": None if question.kind == "reasoning_gym" else _lead(question.text),
        "gold": question.gold[:_ANSWER] if question.gold else None,
        "done": done,
        "populations": shown,
        "tags": tags(letters, groups, done, scored=scored, unscored=undecided),
        "weights": weights,
    }


def _lead(text: str) -> list[Node] | None:
    """Return the first paragraph with its formulas; None where there are none in it and the excerpt will do."""
    if len(text) > _LONGEST_LEAD or not ("$" in text or "\\" in text):
        return None
    found = nodes(text)
    return found[0][1:] if found and isinstance(found[0], list) and found[0][0] == "p" else None


def tags(
    states: Sequence[str],
    same: Sequence[Sequence[int | None]],
    done: bool,
    *,
    scored: bool = True,
    unscored: bool = False,
) -> list[str]:
    """Return the tags that a reader may filter by.

    Args:
        states: Letters of each population, first to last.
        same: For each population, each member's answer group, or None where it has no answer.
        done: True if nothing is missing; before that it is too early for the fate of right answers.
        scored: True if there is a gold answer; else nothing is known of right and wrong.
        unscored: True if an answer could not be scored; then the fate of right answers is not known either.
    """
    if not states:
        return []
    last, every = states[-1], "".join(states)
    became = fate([one.count(RIGHT) for one in states]) if done and scored and not unscored else None
    found = {
        "died out": became == "died out",
        "rescued": became == "rescued",
        "all wrong": became == "never right" and set(every) != {FAILED},
        "all right": done and set(last) == {RIGHT},
        "disagreeing": len({group for group in same[-1] if group is not None}) > 1,
        "unanswered": UNANSWERED in every,
        "failed": FAILED in every,
        "unscored": unscored,
    }
    return [tag for tag, holds in found.items() if holds]


def packed(record: Record, position: int, question: Question, view: CandidateFormat) -> str:
    """Return all texts of a question as JSON, deflated (zlib format) and in base64."""
    text = json.dumps(question_texts(record, position, question, view), ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), 6)).decode("ascii")


def question_texts(record: Record, position: int, question: Question, view: CandidateFormat) -> dict[str, Any]:
    """Return the texts that a reader may open: the question, prompts' parts, replies, and their circumstances."""
    generations = record.members(position, role=None)
    population = {(t, i): member for (role, t, i), member in generations.items() if role == CANDIDATE}
    calls = {
        (t, i): call
        for t, i, *call in record.query(
            "SELECT t, i, prompt, cut, seed, tries FROM generations WHERE question = ? AND role = ?",
            (position, CANDIDATE),
        )
    }
    noted = record.query("SELECT t, i, note FROM scores WHERE question = ? AND note != ''", (position,))
    notes = {(t, i): note for t, i, note in noted}
    templates: dict[int, list[dict[str, Any]]] = {}
    members: dict[str, dict[str, Any]] = {}
    for (t, i), member in population.items():
        parents = [population[t - 1, j] for j in member.parents if (t - 1, j) in population]
        replied = [parent for parent in parents if parent.reply]  # a prompt shows no others
        shown = [view(parent) for parent in replied]
        prompt, cut, seed, tries = calls[t, i]
        if len(shown) not in templates:
            templates[len(shown)] = template(question, len(shown))
        members[f"{t}.{i}"] = {
            **_member(member, question),
            "shows": [parent.i for parent in replied],
            "exact": prompt == fingerprint(_messages(question, shown)),
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
    told: dict[str, Any] = {"answer": member.answer, "score": member.score, "error": member.error}
    told["answer_nodes"] = _answer_nodes(question, member.answer)
    if (reply := member.reply) is None:
        return told
    used = reply.usage
    program = question.kind == "code" and "```" not in reply.text
    return {
        **told,
        "text": reply.text,
        "nodes": [["pre", ["code", *coloured(reply.text, "python")]]] if program else nodes(reply.text),
        "reasoning": reply.reasoning,
        "stop": reply.stop.value,
        "tokens": None if used.unknown else [used.prompt, used.cached, used.completion, used.reasoning],
        "seconds": round(reply.seconds, 3),
    }


def _answer_nodes(question: Question, answer: str | None) -> Node | None:
    """Return an answer as a formula, where it is LaTeX that plain text would not do justice to."""
    return formula(answer, False) if answer and question.kind == "math" and set("\\^_") & set(answer) else None


def template(question: Question, shown: int) -> list[dict[str, Any]]:
    """Return the parts of a prompt that shows so many candidates.

    Returns:
        Parts in their order: ``{"role", "kind", "text"}`` with kind ``context``, ``words`` or ``question``, and
        ``{"role", "kind": "candidate", "place", "lead"}`` with the candidate's place among those shown, from
        0, and the line that stands above it.
    """
    marks = [_MARK.format(place) for place in range(shown)]
    *context, turn = _messages(question, marks)
    parts: list[dict[str, Any]] = [
        {"role": str(said.get("role", "")), "kind": "context", "text": _content(said)} for said in context
    ]
    rest = _content(turn)
    before, found, after = rest.partition(question.text) if question.text else (rest, "", "")
    parts += _words(before)
    if found:
        parts.append({"role": "user", "kind": "question", "text": found})
    for place, mark in enumerate(marks):
        words, _, after = after.partition(mark)
        earlier, _, lead = words.rstrip().rpartition("\n")
        if len(lead) > _HEADING:  # too long to be a heading
            earlier, lead = words, ""
        parts += _words(earlier)
        parts.append({"role": "user", "kind": "candidate", "place": place, "lead": lead})
    return parts + _words(after)


def _messages(question: Question, texts: Sequence[str]) -> Sequence[Any]:
    candidates = [Member(1, i) for i in range(len(texts))]
    return (aggregation(question, candidates) if texts else first(question)).messages(texts)


def _words(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "kind": "words", "text": text.strip()}] if text.strip() else []


def _content(message: Any) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", f"[{part.get('type', 'part')}]")) for part in content)
