"""The layout of a record's tables, and the steps that bring a record of an older format up to date.

A record says its format in SQLite's ``user_version``. A change of the layout adds one to `VERSION` and one function to
`STEPS`; a step never changes afterwards, so it names what it needs and takes no code that may move on.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

VERSION = 2
APPLICATION = 0x52534131  # "RSA1", in SQLite's header, so that no other database is taken for a record

RULES = {
    "run": "typeof(value) = 'text'",
    "sessions": "started BETWEEN -1e300 AND 1e300 AND seconds BETWEEN 0 AND 1e12",
    "questions": "position >= 0 AND typeof(id) = 'text' AND typeof(body) = 'text' AND typeof(weights) != 'blob'",
    "generations": """t BETWEEN 1 AND 1e9 AND i BETWEEN 0 AND 1e9 AND cut BETWEEN 0 AND 1e9 AND seed BETWEEN 0 AND 1e12
        AND started BETWEEN -1e300 AND 1e300 AND seconds BETWEEN 0 AND 1e12 AND tries BETWEEN 0 AND 1e9
        AND CASE WHEN error IS NULL
            THEN typeof(text) = 'text' AND typeof(reasoning) = 'text'
                AND coalesce(stop IN ('finished', 'length', 'filtered', 'unknown'), 0)
            ELSE typeof(error) = 'text' AND coalesce(text, reasoning, stop, logprobs) IS NULL END
        AND CASE WHEN coalesce(prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens) IS NULL THEN 1
            ELSE coalesce(prompt_tokens BETWEEN 0 AND 1e12 AND cached_tokens BETWEEN 0 AND 1e12
                AND completion_tokens BETWEEN 0 AND 1e12 AND reasoning_tokens BETWEEN 0 AND 1e12, 0) END""",
    "scores": """t BETWEEN 1 AND 1e9 AND i BETWEEN 0 AND 1e9 AND typeof(answer) != 'blob' AND typeof(note) = 'text'
        AND coalesce(score, 0) BETWEEN 0 AND 1 AND coalesce(same, 0) BETWEEN 0 AND 1e9""",
}
"""The rules that every row obeys: SQLite checks a row that is written, and every row when a record is opened.

In SQLite no text or blob lies between two numbers. The tokens of a call are NULL where the server did not report them.
"""

SCHEMA = f"""
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL, CHECK ({RULES["run"]}));
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY, started REAL NOT NULL, seconds REAL NOT NULL, CHECK ({RULES["sessions"]})
);
CREATE TABLE questions (
    position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL, weights TEXT,
    CHECK ({RULES["questions"]})
);
CREATE TABLE generations (
    question INTEGER NOT NULL, role TEXT NOT NULL, t INTEGER NOT NULL, i INTEGER NOT NULL,
    parents TEXT NOT NULL, prompt TEXT NOT NULL, cut INTEGER NOT NULL, seed INTEGER NOT NULL,
    text TEXT, reasoning TEXT, stop TEXT, logprobs TEXT, error TEXT,
    prompt_tokens INTEGER, cached_tokens INTEGER, completion_tokens INTEGER, reasoning_tokens INTEGER,
    started REAL NOT NULL, seconds REAL NOT NULL, tries INTEGER NOT NULL,
    PRIMARY KEY (question, t, i, role), CHECK ({RULES["generations"]})
);
CREATE TABLE scores (
    question INTEGER NOT NULL, t INTEGER NOT NULL, i INTEGER NOT NULL,
    answer TEXT, score REAL, note TEXT NOT NULL, same INTEGER,
    PRIMARY KEY (question, t, i), CHECK ({RULES["scores"]})
);
CREATE INDEX failures ON generations (question) WHERE error IS NOT NULL;  -- found without a walk through all texts
CREATE TRIGGER reopened AFTER INSERT ON generations WHEN NEW.error IS NULL BEGIN  -- what failed was made up for
    UPDATE questions SET weights = NULL WHERE position = NEW.question AND weights IS NOT NULL;
END;
"""  # noqa: S608 - constants only
"""Format 2."""


def statements(script: str) -> list[str]:
    """Split a script into single statements, to run within a transaction, which ``executescript`` would end."""
    found = [""]
    for line in script.splitlines(keepends=True):
        found[-1] += line
        if sqlite3.complete_statement(found[-1]):
            found.append("")
    return found[:-1]


_UNSET_1: dict[str, Any] = {
    **dict.fromkeys(("gold", "instruction", "turn")),
    **{"context": [], "examples": [], "after": [], "data": {}, "group": ""},
}
_UNSAMPLED_1: dict[str, Any] = {
    **dict.fromkeys(("top_p", "max_tokens", "reasoning_effort")),
    **{"stop": [], "logprobs": False, "extra_body": {}},
}
_COLUMNS_1 = {
    "run": "key, value",
    "sessions": "id, started, seconds",
    "generations": "question, role, t, i, parents, prompt, cut, seed, text, reasoning, stop, logprobs, error, "
    "prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, started, seconds, tries",
    "scores": "question, t, i, answer, score, note, same",
    "questions": "position, id, body, weights",  # after the generations, which would reopen them
}


def _to_2(database: sqlite3.Connection) -> None:
    """Add rules for rows, allow unknown tokens, and drop fields that nobody has set."""
    database.execute("DROP TRIGGER IF EXISTS reopened")
    database.execute("DROP INDEX IF EXISTS failures")
    for table in _COLUMNS_1:
        database.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for statement in statements(SCHEMA):
        database.execute(statement)
    for table, columns in _COLUMNS_1.items():
        database.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM old_{table}")  # noqa: S608 - constants
        database.execute(f"DROP TABLE old_{table}")
    for position, body in database.execute("SELECT position, body FROM questions").fetchall():
        text = json.dumps(_without(json.loads(body), _UNSET_1), ensure_ascii=False, sort_keys=True)
        database.execute("UPDATE questions SET body = ? WHERE position = ?", (text, position))
    for (value,) in database.execute("SELECT value FROM run WHERE key = 'configuration'").fetchall():
        kept = json.loads(value)
        kept |= {"sampling": _without(kept["sampling"], _UNSAMPLED_1)} if "sampling" in kept else {}
        text = json.dumps(kept, ensure_ascii=False)
        database.execute("UPDATE run SET value = ? WHERE key = 'configuration'", (text,))


def _without(fields: dict[str, Any], unset: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in unset or value != unset[key]}


STEPS: Sequence[Callable[[sqlite3.Connection], None]] = (_to_2,)
"""The step at place n takes a record from format n + 1 to the one after it, within one transaction."""
