"""The conversion of members and questions to rows of a record, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from selfagg.types import KINDS, Example, Member, Question, Reply, Stop, Usage

CANDIDATE = "candidate"
"""The role of a member of a population; what else a method asks a model for (a verdict, say) has its own."""

CLOSING = "closing"
"""The role of a call that gives a population's answer in the form that is asked for; its parents are of ``t - 1``."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One finished call, as recorded."""

    question: int  # its position in the run
    member: Member
    role: str = CANDIDATE
    prompt: str = ""  # fingerprint of the messages sent
    cut: int = 0  # candidates that had to be shortened to fit the context
    seed: int = 0
    started: float = 0.0  # in seconds since the epoch
    tries: int = 0  # of a failed call; a reply has its own count


GENERATION_COLUMNS = (
    "question, role, t, i, parents, prompt, cut, seed, text, reasoning, stop, logprobs, error, "
    "prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, started, seconds, tries"
)
INSERT_GENERATION = (
    f"INSERT OR REPLACE INTO generations ({GENERATION_COLUMNS}) "  # noqa: S608 - constants only
    f"VALUES ({', '.join('?' * len(GENERATION_COLUMNS.split(', ')))})"
)
INSERT_QUESTION = "INSERT INTO questions (position, id, body) VALUES (?, ?, ?)"
INSERT_SCORE = "INSERT OR REPLACE INTO scores (question, t, i, answer, score, note) VALUES (?, ?, ?, ?, ?, ?)"

SELECT_MEMBERS = (
    "SELECT g.role, g.t, g.i, parents, text, reasoning, stop, logprobs, error, prompt_tokens, cached_tokens, "
    "completion_tokens, reasoning_tokens, seconds, tries, answer, score FROM generations g "
    "LEFT JOIN scores s ON g.role = 'candidate' AND s.question = g.question AND s.t = g.t AND s.i = g.i "
    "WHERE g.question = ? AND (? IS NULL OR g.role = ?) ORDER BY g.t, g.i"
)
"""Takes a question's position, and a role twice: NULL for every role."""


def storable(value: Any) -> Any:
    """Return a value that SQLite can store: every string that goes into a record passes here.

    A lone surrogate, which a client or a broken server may send, is no text that SQLite could keep: it becomes ``?``.
    """
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode("utf-8")
    return value


def as_text(value: Any, *, sort_keys: bool = False) -> str:
    """Return a value as JSON text that SQLite can keep."""
    return str(storable(json.dumps(value, ensure_ascii=False, sort_keys=sort_keys)))


def generation_row(generation: Generation) -> tuple[Any, ...]:
    """Return the values for ``INSERT_GENERATION``."""
    member, reply = generation.member, generation.member.reply
    return (
        generation.question,
        generation.role,
        member.t,
        member.i,
        json.dumps(member.parents),
        generation.prompt,
        generation.cut,
        generation.seed,
        reply.text if reply else None,
        reply.reasoning if reply else None,
        reply.stop.value if reply else None,
        json.dumps(reply.logprobs) if reply and reply.logprobs is not None else None,
        member.error,
        *_tokens(reply.usage if reply else Usage()),
        generation.started,
        reply.seconds if reply else 0.0,
        reply.tries if reply else generation.tries,
    )


def _tokens(usage: Usage) -> tuple[int | None, ...]:
    """Return the token columns; NULL where the server gave none, or numbers that no reply can have."""
    told = (usage.prompt, usage.cached, usage.completion, usage.reasoning)
    return (None,) * 4 if usage.unknown or not all(0 <= tokens <= 1e12 for tokens in told) else told


def usage_of(tokens: Sequence[int | None]) -> Usage:
    """Return the usage that the four token columns hold."""
    return Usage(*tokens) if tokens[0] is not None else Usage(unknown=1)  # type: ignore[arg-type]


def member_of(row: Sequence[Any]) -> Member:
    """Return the member in a row of ``SELECT_MEMBERS``."""
    _, t, i, parents, text, reasoning, stop, logprobs, error, *tokens, seconds, tries, answer, score = row
    reply = None
    if error is None:
        kept = numbers(logprobs) if logprobs is not None else None
        reply = Reply(text, reasoning, Stop(stop), usage_of(tokens), kept, tries, seconds)
    return Member(t, i, places(parents), reply, error, answer, score)


def places(text: str) -> tuple[int, ...]:
    """Parse recorded parents; raise ValueError if they are no list of places."""
    return _listed(text, "places", lambda place: type(place) is int and place >= 0)


def numbers(text: str) -> tuple[float, ...]:
    """Parse recorded log-probabilities or weights; raise ValueError if they are no list of numbers."""
    return tuple(map(float, _listed(text, "numbers", lambda number: type(number) in (int, float))))


def _listed(text: str, what: str, fits: Callable[[Any], bool]) -> tuple[Any, ...]:
    found = json.loads(text)
    if not isinstance(found, list) or not all(map(fits, found)):
        raise ValueError(f"{text[:80]!r} is no list of {what}")
    return tuple(found)


def set_fields(instance: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that somebody has set; leave out fields that are empty, as by default.

    So a field that a later version adds, empty by default, changes nothing in what is recorded without it.
    """
    told = asdict(instance)
    for field in fields(instance):
        empty = field.default_factory() if callable(field.default_factory) else field.default
        if not told[field.name] and told[field.name] == empty:
            del told[field.name]
    return told


def question_body(question: Question) -> str:
    """Return a question as JSON text; equal questions give the same text."""
    return as_text(set_fields(question), sort_keys=True)


def question_of(body: str) -> Question:
    """Return the question that `question_body` wrote; raise ValueError if it is none."""
    told: dict[str, Any] = dict(json.loads(body))
    told["examples"] = tuple(Example(**example) for example in told.get("examples", ()))
    for name in ("context", "after"):
        told[name] = tuple(told.get(name, ()))
    question = Question(**told)
    texts = [question.id, question.text, question.group]
    texts += [text for text in (question.gold, question.instruction) if text is not None]
    texts += [text for example in question.examples for text in (example.text, example.right, example.wrong)]
    objects = [question.data, *question.context, *question.after, {} if question.turn is None else question.turn]
    right = question.kind in KINDS and all(isinstance(text, str) for text in texts)
    if not right or not all(isinstance(value, dict) for value in objects):
        raise ValueError(f"{body[:80]!r} is no question")
    return question


def question_row(position: int, question: Question) -> tuple[Any, ...]:
    """Return the values for ``INSERT_QUESTION``."""
    return position, storable(question.id), question_body(question)


def score_row(question: int, member: Member, note: str) -> tuple[Any, ...]:
    """Return the values for ``INSERT_SCORE``; a score outside of 0 to 1 becomes a note and is not kept."""
    score = member.score
    if score is not None and not 0 <= score <= 1:  # NaN too
        score, note = None, f"{note}; " * bool(note) + f"the scorer gave {score}, which is no score from 0 to 1"
    return question, member.t, member.i, member.answer, score, note


def check_configuration(configuration: Mapping[str, Any]) -> None:
    """Raise ValueError if a run's configuration is none."""
    method = configuration.get("method")
    wanted = {"model": str, "seed": int, "source": str, "candidate": str, "sampling": dict}
    if not isinstance(method, dict) or not isinstance(method.get("name"), str):
        raise ValueError("a configuration without a method")
    if not all(type(method.get(size)) is int and method[size] >= 1 for size in ("n", "t")):
        raise ValueError("a method without n and t")
    if wrong := [key for key, kind in wanted.items() if type(configuration.get(key)) is not kind]:
        raise ValueError(f"a configuration with a wrong {wrong[0]}")
