"""What a record's tables look like, and how members and questions become rows and come back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from selfagg.types import Example, Member, Question, Reply, Stop, Usage

VERSION = 1
APPLICATION = 0x52534131  # "RSA1", in SQLite's header, so that no other database is taken for a record

SCHEMA = """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE sessions (id INTEGER PRIMARY KEY, started REAL NOT NULL, seconds REAL NOT NULL);
CREATE TABLE questions (position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL, weights TEXT);
CREATE TABLE generations (
    question INTEGER NOT NULL, role TEXT NOT NULL, t INTEGER NOT NULL, i INTEGER NOT NULL,
    parents TEXT NOT NULL, prompt TEXT NOT NULL, cut INTEGER NOT NULL, seed INTEGER NOT NULL,
    text TEXT, reasoning TEXT, stop TEXT, logprobs TEXT, error TEXT,
    prompt_tokens INTEGER, cached_tokens INTEGER, completion_tokens INTEGER, reasoning_tokens INTEGER,
    started REAL NOT NULL, seconds REAL NOT NULL, tries INTEGER NOT NULL,
    PRIMARY KEY (question, t, i, role)
);
CREATE TABLE scores (
    question INTEGER NOT NULL, t INTEGER NOT NULL, i INTEGER NOT NULL,
    answer TEXT, score REAL, note TEXT NOT NULL, same INTEGER, PRIMARY KEY (question, t, i)
);
CREATE INDEX failures ON generations (question) WHERE error IS NOT NULL;  -- found without a walk through all texts
CREATE TRIGGER reopened AFTER INSERT ON generations WHEN NEW.error IS NULL BEGIN  -- what failed was made up for
    UPDATE questions SET weights = NULL WHERE position = NEW.question AND weights IS NOT NULL;
END;
"""

CANDIDATE = "candidate"
"""The role of a member of a population; what else a method asks a model for (a verdict, say) has its own."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One finished call, as recorded.

    Attributes:
        question: Position of its question in the run.
        member: Its address, parents, reply or error.
        role: ``candidate``, or what else the method asked for.
        prompt: Fingerprint of the messages sent.
        cut: Candidates that had to be shortened to fit the context.
        seed: The seed sent with the call.
        started: When the call began, in seconds since the epoch.
        tries: How often a failed call was tried; a reply knows by itself.
    """

    question: int
    member: Member
    role: str = CANDIDATE
    prompt: str = ""
    cut: int = 0
    seed: int = 0
    started: float = 0.0
    tries: int = 0


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


def generation_row(generation: Generation) -> tuple[Any, ...]:
    """Values for ``INSERT_GENERATION``."""
    member, reply = generation.member, generation.member.reply
    usage = reply.usage if reply else Usage()
    return (
        generation.question,
        generation.role,
        member.t,
        member.i,
        json.dumps(member.parents),
        generation.prompt,
        generation.cut,
        generation.seed,
        _storable(reply.text) if reply else None,
        _storable(reply.reasoning) if reply else None,
        reply.stop.value if reply else None,
        json.dumps(reply.logprobs) if reply and reply.logprobs is not None else None,
        _storable(member.error) if member.error is not None else None,
        *((None,) * 4 if usage.unknown else (usage.prompt, usage.cached, usage.completion, usage.reasoning)),
        generation.started,
        reply.seconds if reply else 0.0,
        reply.tries if reply else generation.tries,
    )


def _storable(text: str) -> str:
    """A lone surrogate, which a broken server may send, is no text that SQLite could keep."""
    return text.encode("utf-8", "replace").decode("utf-8")


def member_of(row: Sequence[Any]) -> Member:
    """The member in a row of ``SELECT_MEMBERS``."""
    _, t, i, parents, text, reasoning, stop, logprobs, error, *usage, seconds, tries, answer, score = row
    reply = None
    if error is None:
        kept = tuple(json.loads(logprobs)) if logprobs is not None else None
        told = Usage(unknown=1) if usage[0] is None else Usage(*usage)
        reply = Reply(text, reasoning, Stop(stop), told, kept, tries, seconds)
    return Member(t, i, tuple(json.loads(parents)), reply, error, answer, score)


def question_body(question: Question) -> str:
    """A question as JSON text, the same for equal questions."""
    fields = asdict(question)
    for name in ("examples", "turn", "after"):  # most questions have none
        if not fields[name]:
            del fields[name]
    return json.dumps(fields, ensure_ascii=False, sort_keys=True)


def question_of(body: str) -> Question:
    """The question that `question_body` wrote."""
    fields: dict[str, Any] = json.loads(body)
    fields["examples"] = tuple(Example(**example) for example in fields.get("examples", ()))
    for name in ("context", "after"):
        fields[name] = tuple(fields.get(name, ()))
    return Question(**fields)
