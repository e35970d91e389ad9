"""Records of older formats are read and gone on with."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from dataclasses import asdict
from pathlib import Path

import pytest

from selfagg.analysis.summary import summarise
from selfagg.errors import UsageError
from selfagg.html_report.build import build_report
from selfagg.methods import RSA
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.configuration import configuration
from selfagg.record.migrations import APPLICATION, SCHEMA, VERSION
from selfagg.record.record import Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.types import Example, Question

METHOD = RSA(n=4, k=2, t=3)
QUESTIONS = [
    Question("a", "A?", "math", gold="1", context=({"role": "system", "content": "s"},), group="g"),
    Question("b", "B \u00e9?", gold="2", examples=(Example("C?", "c", "d"),), data={"x": [1]}),
    Question("c", "C?", gold="3", instruction=""),
]
SCHEMA_1 = """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE sessions (id INTEGER PRIMARY KEY, started REAL NOT NULL, seconds REAL NOT NULL);
CREATE TABLE questions (position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL, weights TEXT);
CREATE TABLE generations (
    question INTEGER NOT NULL, role TEXT NOT NULL, t INTEGER NOT NULL, i INTEGER NOT NULL,
    parents TEXT NOT NULL, prompt TEXT NOT NULL, cut INTEGER NOT NULL, seed INTEGER NOT NULL,
    text TEXT, reasoning TEXT, stop TEXT, logprobs TEXT, error TEXT,
    prompt_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL,
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
UNSAMPLED_1: dict[str, object] = {
    "temperature": 1.0, "top_p": None, "max_tokens": None, "stop": [], "reasoning_effort": None, "logprobs": False,
    "extra_body": {},
}  # fmt: skip


def go_on(path: Path) -> dict[str, object]:
    with Record(path) as record:
        record.begin(configuration(METHOD, "simulated:", Settings(), "test"), QUESTIONS)
        asyncio.run(evaluate(Engine(SimulatedModel(Simulation(p=0.5)), Settings(), record), METHOD, QUESTIONS))
        return summarise(record).as_json() | {"seconds": 0, "record": ""}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A record as format 1 had it: every field stored, tokens always there. The last question is half done."""
    path, new = tmp_path / "old.sqlite", tmp_path / "new.sqlite"
    go_on(new)
    with sqlite3.connect(path) as database:
        database.executescript(SCHEMA_1)
        database.execute("ATTACH ? AS new", (str(new),))
        for table in ("run", "sessions", "generations", "scores", "questions"):
            database.execute(f"INSERT INTO main.{table} SELECT * FROM new.{table}")
        for position, question in enumerate(QUESTIONS):
            fields = {key: value for key, value in asdict(question).items() if value or key not in LATER_LEFT_OUT_1}
            body = json.dumps(fields, ensure_ascii=False, sort_keys=True)
            database.execute("UPDATE main.questions SET body = ? WHERE position = ?", (body, position))
        made = configuration(METHOD, "simulated:", Settings(), "test") | {"sampling": UNSAMPLED_1}
        database.execute("UPDATE main.run SET value = ? WHERE key = 'configuration'", (json.dumps(made),))
        database.execute("DELETE FROM main.generations WHERE question = 2 AND t > 1")
        database.execute("DELETE FROM main.scores WHERE question = 2 AND t > 1")
        database.execute("UPDATE main.questions SET weights = NULL WHERE position = 2")
        database.execute(f"PRAGMA main.application_id = {APPLICATION}")
        database.execute("PRAGMA main.user_version = 1")
    database.close()
    return path


LATER_LEFT_OUT_1 = ("examples", "turn", "after")


def test_an_old_record_is_gone_on_with(old: Path) -> None:
    expected = go_on(old.with_name("new.sqlite"))
    assert go_on(old) == expected
    assert go_on(old) == expected
    with sqlite3.connect(old) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
        bodies = dict(database.execute("SELECT id, body FROM questions"))
    database.close()
    assert json.loads(bodies["c"]) == {"id": "c", "text": "C?", "kind": "text", "gold": "3", "instruction": ""}


SAMPLED = {"temperature": 1.0, "top_p": 1.0, "server_defaults": False}


def test_an_old_record_is_read_and_stays_as_it_is(old: Path, tmp_path: Path) -> None:
    before, files = old.read_bytes(), set(tmp_path.iterdir())
    with Record(old, read_only=True) as record:
        assert record.copied
        assert list(record.questions()) == QUESTIONS
        assert summarise(record).questions == 2
        assert record.configuration["sampling"] == SAMPLED
        record.check_run()
    assert old.read_bytes() == before
    assert set(tmp_path.iterdir()) == files
    build_report([old], tmp_path / "old.html")
    assert old.read_bytes() == before


@pytest.mark.parametrize("read_only", [False, True])
def test_an_old_record_that_breaks_the_rules_is_refused_unharmed(old: Path, read_only: bool) -> None:
    with sqlite3.connect(old) as database:
        database.execute("UPDATE scores SET score = 'x' WHERE question = 1")
    database.close()
    with pytest.raises(UsageError, match=r"old\.sqlite is damaged"):
        Record(old, read_only=read_only)
    with sqlite3.connect(old) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
        assert database.execute("SELECT count(*) FROM generations").fetchone() == (28,)
    database.close()


def test_a_change_of_the_layout_is_a_new_format() -> None:
    """Whoever changes the tables adds a step and a number; then this digest is written anew."""
    import hashlib

    assert (VERSION, hashlib.sha256(SCHEMA.encode()).hexdigest()[:16]) == (2, "ab02e70d4f502434")
