"""The cells of a question before anything is opened: one letter a member, its parents, its answer."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from selfagg.html_report.markup import Node, nodes
from selfagg.record.record import Record
from selfagg.types import Question

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


def questions(record: Record, sizes: Mapping[int, int]) -> list[dict[str, Any]]:
    """Return every question with its populations.

    Args:
        record: The record.
        sizes: Members of each population, by its number from 1.
    """
    rows = record.query(_MEMBERS, (_ANSWER,))
    by_question = {position: list(group) for position, group in itertools.groupby(rows, key=lambda row: row[0])}
    weights = dict(record.query("SELECT position, weights IS NOT NULL FROM questions"))
    return [
        _question(question, by_question.get(position, []), sizes, bool(weights[position]))
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
    return {
        "id": question.id,
        "group": question.group,
        "kind": question.kind,
        "excerpt": " ".join(question.text[: 2 * _EXCERPT].split())[:_EXCERPT],
        "lead": None if question.kind == "reasoning_gym" else _lead(question.text),
        "gold": question.gold[:_ANSWER] if question.gold else None,
        "done": done,
        "populations": shown,
        "tags": tags(
            [letters["states"] for letters in shown], [letters["same"] for letters in shown], done, unscored=unscored
        ),
    }


def _lead(text: str) -> list[Node] | None:
    """Return the first paragraph with its formulas; None where there are none in it and the excerpt will do."""
    if len(text) > _LONGEST_LEAD or not ("$" in text or "\\" in text):
        return None
    found = nodes(text)
    if not found or isinstance(found[0], str) or found[0][0] != "p":
        return None
    return found[0][1:]


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
    first, last, every = states[0], states[-1], "".join(states)
    known = done and not unscored
    found = {
        "died out": known and RIGHT in "".join(states[:-1]) and RIGHT not in last,
        "rescued": known and RIGHT not in first and RIGHT in last,
        "all wrong": known and RIGHT not in every and any(letter in every for letter in (WRONG, PARTIAL, UNANSWERED)),
        "all right": done and set(last) == {RIGHT},
        "disagreeing": len({group for group in same[-1] if group is not None}) > 1,
        "unanswered": UNANSWERED in every,
        "failed": FAILED in every,
        "unscored": unscored,
    }
    return [tag for tag, holds in found.items() if holds]
