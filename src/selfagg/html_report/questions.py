"""The questions of the page: a letter a member before anything is opened, and packed texts for those who open one."""

from __future__ import annotations

import base64
import itertools
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from selfagg.html_report.formulas import formula
from selfagg.html_report.markup import Node, coloured, nodes
from selfagg.models.base import fingerprint
from selfagg.prompts import aggregation, first
from selfagg.prompts.prompt import CandidateFormat
from selfagg.record.record import CANDIDATE, Record
from selfagg.record.rows import CLOSING
from selfagg.types import Member, Question

RIGHT, WRONG, PARTIAL, UNANSWERED, FAILED, UNSCORED, MISSING = "r", "w", "p", "n", "f", "u", "m"

_EXCERPT = 400
_LONGEST_LEAD = 1_500
_ANSWER = 80
_MEMBERS = """
SELECT g.question, g.t, g.i, g.parents, g.error IS NOT NULL, g.stop, substr(s.answer, 1, ?), s.score, s.same,
    s.score IS NULL AND s.note != '' AND g.error IS NULL, g.tries = 0 AND g.error IS NULL
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
    done = dict(record.query("SELECT position, weights IS NOT NULL FROM questions"))
    return [
        _question(question, by_question.get(position, []), sizes, bool(done[position]))
        | {"weights": record.weights(position)}
        for position, question in record.numbered()
    ]


def state(*, failed: bool, answer: str | None, score: float | None) -> str:
    """Return the letter of a member."""
    if failed:
        return FAILED
    if score is not None and score >= 1:
        return RIGHT
    if answer is None:
        return UNANSWERED
    if score is None:
        return UNSCORED
    return PARTIAL if score > 0 else WRONG


def _question(
    question: Question, rows: Iterable[tuple[Any, ...]], sizes: Mapping[int, int], done: bool
) -> dict[str, Any]:
    populations: dict[int, dict[str, Any]] = {
        t: {"states": [MISSING] * size, "parents": [""] * size, "answers": [None] * size, "same": [None] * size}
        for t, size in sizes.items()
    }
    unscored = False
    for _, t, i, parents, failed, stop, answer, score, same, undecided, copied in rows:
        if t not in populations or i >= sizes[t]:
            continue
        population = populations[t]
        unscored = unscored or bool(undecided)
        letter = state(failed=bool(failed), answer=answer, score=score)
        population["states"][i] = letter
        population["parents"][i] = parents[1:-1].replace(" ", "")
        population["answers"][i] = answer
        population["same"][i] = same
        if letter == PARTIAL:
            population.setdefault("scores", {})[i] = round(score, 3)
        if stop == "length":
            population.setdefault("cut", []).append(i)
        if copied:
            population.setdefault("copies", []).append(i)
    shown: list[dict[str, Any]] = []
    for _, population in sorted(populations.items()):
        states = "".join(population["states"])
        # A question that is done has no member to come: it stopped, or its vote was decided.
        if there := len(states.rstrip(MISSING)) if done else len(states):
            lists = {name: population[name][:there] for name in ("parents", "answers", "same")}
            shown.append({**population, **lists, "states": states[:there]})
    letters, groups = [one["states"] for one in shown], [one["same"] for one in shown]
    return {
        "id": question.id,
        "group": question.group,
        "kind": question.kind,
        "excerpt": " ".join(question.text[: 2 * _EXCERPT].split())[:_EXCERPT],
        "lead": None if question.kind == "reasoning_gym" else _lead(question.text),
        "gold": question.gold[:_ANSWER] if question.gold else None,
        "done": done,
        "populations": shown,
        "tags": tags(letters, groups, done, unscored=unscored),
    }


def _lead(text: str) -> list[Node] | None:
    """Return the first paragraph with its formulas; None where there are none in it and the excerpt will do."""
    if len(text) > _LONGEST_LEAD or not ("$" in text or "\\" in text):
        return None
    found = nodes(text)
    return found[0][1:] if found and isinstance(found[0], list) and found[0][0] == "p" else None


def tags(states: list[str], same: list[list[int | None]], done: bool, *, unscored: bool = False) -> list[str]:
    """Return the tags that a reader may filter by.

    Args:
        states: Letters of each population, first to last.
        same: For each population, each member's answer group, or None where it has no answer.
        done: True if nothing is missing; before that it is too early for the fate of right answers.
        unscored: True if an answer could not be scored; then the fate of right answers is not known either.
    """
    if not states:
        return []
    begun, last, every = states[0], states[-1], "".join(states)
    known = done and not unscored
    found = {
        "died out": known and RIGHT in "".join(states[:-1]) and RIGHT not in last,
        "rescued": known and RIGHT not in begun and RIGHT in last,
        "all wrong": known and RIGHT not in every and any(letter in every for letter in (WRONG, PARTIAL, UNANSWERED)),
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
        shown = candidate_texts(view, parents)
        prompt, cut, seed, tries = calls[t, i]
        if len(shown) not in templates:
            templates[len(shown)] = template(question, len(shown))
        members[f"{t}.{i}"] = {
            **_member(member, question),
            "shows": [parent.i for parent in parents if parent.reply],
            "exact": prompt == sent_as(question, shown),
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


def candidate_texts(view: CandidateFormat, parents: Sequence[Member]) -> list[str]:
    """Return the part of each parent that the prompt shows; parents without a reply are left out."""
    return [view(parent) for parent in parents if parent.reply]


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


def sent_as(question: Question, texts: Sequence[str]) -> str:
    """Return the fingerprint of the prompt with these candidates, to be held against the recorded one."""
    return fingerprint(_messages(question, texts))


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
