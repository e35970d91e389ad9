import asyncio
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfagg.analysis.summary import summarise
from selfagg.errors import UsageError
from selfagg.html_report.build import build_report
from selfagg.methods import RSA
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.configuration import configuration
from selfagg.record.record import Generation, Record
from selfagg.record.rows import question_body
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.types import Example, Member, Question, Reply, Sampling, Stop, Usage

QUESTIONS = [
    Question("a", "A?", "math", gold="1", context=({"role": "system", "content": "s"},)),
    Question("b", "B?", examples=(Example("C?", "c", "d"),)),
]
CONFIGURATION = {"method": {"name": "rsa", "n": 4}, "model": "simulated:", "seed": 1}

text = st.text(max_size=30)
replies = st.builds(
    Reply,
    text=text,
    reasoning=text,
    stop=st.sampled_from(Stop),
    usage=st.just(Usage(unknown=1)) | st.builds(Usage, *[st.integers(0, 10**9)] * 4),
    logprobs=st.none() | st.lists(st.floats(-100, 0), max_size=4).map(tuple),
    tries=st.integers(1, 9),
    seconds=st.floats(0, 1e6),
)
parents = st.lists(st.integers(0, 99), max_size=5).map(tuple)


@settings(max_examples=50, deadline=None)
@given(t=st.integers(1, 99), i=st.integers(0, 99), parents=parents, reply=replies)
async def test_what_is_saved_is_read_back(t: int, i: int, parents: tuple[int, ...], reply: Reply) -> None:
    with Record(None) as record:
        record.begin(CONFIGURATION, QUESTIONS)
        member = Member(t, i, parents, reply)
        await record.save(Generation(1, member, prompt="hash", cut=2, seed=7, started=1.0))
        assert await record.load(1) == {("candidate", t, i): member}
        scored = replace(member, answer="x", score=0.25)
        await record.save_score(1, scored)
        assert record.members(1) == {("candidate", t, i): scored}
        assert record.members(0) == {}


async def test_what_is_no_text_fails_nobodys_commit() -> None:
    """A client or a server may send a lone surrogate or a NUL in any string; nine others wait for the same commit."""
    bad = "a\ud800b\0"
    message = {"role": bad, "content": [{"type": "text", "text": bad}], bad: bad}
    question = Question(
        f"id {bad}", bad, gold=bad, instruction=bad, context=(message,), examples=(Example(bad, bad, bad),),
        data={bad: [bad]}, group=bad, turn=message, after=(message,),
    )  # fmt: skip
    asked = {"method": {"name": "rsa", "n": 16}, "model": bad, "source": bad}
    with Record(None) as record:
        record.begin(asked, QUESTIONS, {"command": bad})
        usage = Usage(2**70, -1)
        await asyncio.gather(
            record.add(question),
            *(record.save(Generation(0, Member(1, i, reply=Reply("fine")))) for i in range(9)),
            record.save(Generation(0, Member(1, 9, reply=Reply(bad, bad, usage=usage)), role=bad, prompt=bad)),
            record.save(Generation(0, Member(1, 10, error=bad))),
            record.save_score(0, Member(1, 9, answer=bad, score=float("nan")), bad),
            record.save_score(0, Member(1, 8, score=7.0)),
        )
        kept = list(record.questions())[2]
        assert (kept.id, kept.text, kept.context[0]["role"]) == ("id a?b\0", "a?b\0", "a?b\0")
        members = record.members(0, role=None)
        assert [members["candidate", 1, i].text for i in range(9)] == ["fine"] * 9
        odd = members["a?b\0", 1, 9]
        assert odd.reply
        assert (odd.reply.text, odd.reply.usage) == ("a?b\0", Usage(unknown=1))
        assert members["candidate", 1, 10].error == "a?b\0"
        notes = dict(record.query("SELECT i, note FROM scores WHERE score IS NULL"))
        assert "the scorer gave nan, which is no score from 0 to 1" in notes[9]
        assert notes[8] == "the scorer gave 7.0, which is no score from 0 to 1"
        assert record.configuration["source"] == "a?b\0"
        record.begin(asked, [*QUESTIONS, question])  # the same run


async def test_a_question_added_after_a_gap_gets_a_place_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    served = CONFIGURATION | {"source": "serve"}
    with Record(path) as record:
        record.begin(served, [])
        for name in "abc":
            await record.add(Question(name, "?"))
        record.query("DELETE FROM questions WHERE position = 1")
    with Record(path) as record:
        record.begin(served, list(record.questions()))
        assert await record.add(Question("d", "?")) == 3


def test_fields_that_nobody_has_set_are_not_stored() -> None:
    assert json.loads(question_body(Question("a", "A?"))) == {"id": "a", "text": "A?", "kind": "text"}
    assert json.loads(question_body(Question("a", "A?", gold="", instruction="")))["instruction"] == ""
    method = RSA(n=4, k=2, t=3)
    neutral = {"top_p": 1.0, "server_defaults": False}  # what is sent is recorded
    assert configuration(method, "m", Settings(), "s")["sampling"] == {"temperature": 1.0, **neutral}
    cold = Settings(Sampling(temperature=0.0))
    assert configuration(method, "m", cold, "s")["sampling"] == {"temperature": 0.0, **neutral}


async def test_roles_do_not_mix() -> None:
    with Record(None) as record:
        record.begin(CONFIGURATION, QUESTIONS)
        await record.save(Generation(0, Member(1, 0, reply=Reply("candidate"))))
        await record.save(Generation(0, Member(1, 0, (0,), Reply("True")), role="verdict"))
        assert [member.text for member in record.members(0).values()] == ["candidate"]
        assert {role for role, _, _ in await record.load(0)} == {"candidate", "verdict"}


def test_questions_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with Record(path) as record:
        record.begin(CONFIGURATION, QUESTIONS, {"versions": {"selfagg": "1"}})
    with Record(path, read_only=True) as record:
        assert list(record.questions()) == QUESTIONS
        assert record.configuration == CONFIGURATION
        assert record.about == {"versions": {"selfagg": "1"}}


def test_some_of_the_questions() -> None:
    with Record(None) as record:
        record.begin(CONFIGURATION, [Question(f"q{i}", "?") for i in range(9)])
        assert [question.id for question in record.questions(range(3, 5))] == ["q3", "q4"]
        assert list(record.questions(range(9, 12))) == []


def test_failures_are_found_without_reading_the_texts() -> None:
    """What every resume asks, of records of gigabytes."""
    with Record(None) as record:
        record.begin(CONFIGURATION, QUESTIONS)
        ((*_, plan),) = record.query("EXPLAIN QUERY PLAN SELECT question FROM generations WHERE error IS NOT NULL")
        assert "USING INDEX failures" in plan


def test_a_closed_record_is_one_file_and_reading_adds_none(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with Record(path) as record:
        record.begin(CONFIGURATION, QUESTIONS)
        with Record(path, read_only=True) as reader:  # while it is being written
            assert reader.configuration == CONFIGURATION
        asyncio.run(record.save(Generation(0, Member(1, 0, reply=Reply("x")))))
    with Record(path, read_only=True) as reader:
        assert len(reader.members(0)) == 1
        assert {file.name for file in tmp_path.iterdir()} == {"run.sqlite"}
    with Record(path) as record:
        assert record.query("PRAGMA journal_mode") == [("wal",)]


def test_another_configuration_is_refused_and_every_difference_named(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with Record(path) as record:
        record.begin(CONFIGURATION, QUESTIONS)
    other = {"method": {"name": "rsa", "n": 5}, "model": "local", "seed": 1}
    with Record(path) as record, pytest.raises(UsageError) as refusal:
        record.begin(other, QUESTIONS)
    assert "method.n is 4 in the record, 5 asked for" in str(refusal.value)
    assert 'model is "simulated:" in the record, "local" asked for' in str(refusal.value)
    assert "seed" not in str(refusal.value)
    with Record(path) as record, pytest.raises(UsageError, match="questions: 2 in the record, 1 asked for"):
        record.begin(CONFIGURATION, QUESTIONS[:1])
    changed = [QUESTIONS[0], replace(QUESTIONS[1], gold="2")]
    with Record(path) as record, pytest.raises(UsageError, match=r"question 2 \(b\) reads otherwise"):
        record.begin(CONFIGURATION, changed)
    with Record(path) as record:
        record.begin(CONFIGURATION, QUESTIONS)


def test_what_is_no_record_is_refused_unharmed(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to look for a header in it" * 50)
    with pytest.raises(UsageError, match="not a selfagg record"):
        Record(text)
    assert text.read_text().startswith("not a database")
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE t (x)")
    with pytest.raises(UsageError, match="not a selfagg record"):
        Record(other)
    with pytest.raises(UsageError, match="there is no record"):
        Record(tmp_path / "missing.sqlite", read_only=True)
    with pytest.raises(UsageError, match="cannot write record"):
        Record(text / "below.sqlite")


@pytest.mark.parametrize("version", [0, 99])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_record_of_another_version_is_refused_and_not_touched(tmp_path: Path, version: int, read_only: bool) -> None:
    path = tmp_path / "run.sqlite"
    with Record(path) as record:
        record.begin(CONFIGURATION, QUESTIONS)
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    with pytest.raises(UsageError, match=f"format {version}; this selfagg reads formats"):
        Record(path, read_only=read_only)
    assert path.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"run.sqlite"}


def test_a_commit_survives_a_power_cut_as_far_as_sqlite_promises(tmp_path: Path) -> None:
    with Record(tmp_path / "run.sqlite") as record:
        assert record.query("PRAGMA journal_mode") == [("wal",)]
        assert record.query("PRAGMA synchronous") == [(2,)]  # FULL: each commit is synchronised to the disk
        assert record.query("PRAGMA fullfsync") == [(1,)]  # through the drive's cache on macOS


async def test_a_clock_that_jumps_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moments are told as the clock had them; durations come from a clock that nobody can set."""
    jumps = itertools.cycle([2e9, 1.0, 1.7e9, 0.0])
    monkeypatch.setattr("time.time", lambda: next(jumps))
    with Record(tmp_path / "run.sqlite") as record:
        method = RSA(n=4, k=2, t=3)
        record.begin(configuration(method, "simulated:", Settings(), "test"), QUESTIONS)
        await evaluate(Engine(SimulatedModel(Simulation()), Settings(), record), method, QUESTIONS)
        assert record.query("SELECT count(*) FROM generations WHERE error IS NULL") == [(24,)]
        assert 0 <= record.seconds < 60
        assert 0 <= summarise(record).seconds < 60
    build_report([tmp_path / "run.sqlite"], tmp_path / "report.html")


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_record_that_is_deleted_while_it_is_written_is_no_silent_loss(tmp_path: Path, replaced: bool) -> None:
    path = tmp_path / "run.sqlite"
    with Record(path) as record:
        record.begin(CONFIGURATION, QUESTIONS)
        await record.save(Generation(0, Member(1, 0, reply=Reply("kept"))))
        path.rename(tmp_path / "moved.sqlite")
        if replaced:
            path.write_bytes(b"")
        with pytest.raises(UsageError, match="was deleted, moved or cut short while it was being written"):
            await record.save(Generation(0, Member(1, 1, reply=Reply("lost"))))


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE run SET value = '{' WHERE key = 'configuration'",
        "UPDATE run SET value = '[1]'",
        "UPDATE questions SET body = 'x'",
        """UPDATE questions SET body = '{"id": "a"}'""",
        "UPDATE questions SET body = CAST(x'ff' AS TEXT)",
        "UPDATE questions SET weights = '{'",
        "UPDATE generations SET parents = ''",
        "UPDATE generations SET text = CAST(x'ff' AS TEXT)",
        "UPDATE generations SET logprobs = '{'",
    ],
)
async def test_a_damaged_record_is_said_to_be_one(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "run.sqlite"
    with Record(path) as record:
        record.begin(CONFIGURATION, QUESTIONS)
        await record.save(Generation(0, Member(1, 0, reply=Reply("kept"))))
    with sqlite3.connect(path) as database:
        database.execute(damage)
    with Record(path, read_only=True) as record:

        def read() -> None:
            assert record.configuration
            list(record.questions())
            record.members(0)
            record.weights(0)

        with pytest.raises(UsageError, match=f"record {path} is damaged: it holds"):
            read()


async def test_a_full_disk_is_said_plainly_and_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with Record(path) as record:
        record.begin(CONFIGURATION, QUESTIONS)
        await record.save(Generation(0, Member(1, 0, reply=Reply("kept"))))
        pages = record.query("PRAGMA page_count")[0][0]
        record.query(f"PRAGMA max_page_count = {pages}")  # SQLite's own way to run out of space
        with pytest.raises(UsageError, match="the disk is full; what was finished before is kept"):
            await record.save(Generation(0, Member(1, 1, reply=Reply("x" * 10**6))))
    with Record(path, read_only=True) as record:
        assert [member.text for member in record.members(0).values()] == ["kept"]


async def test_generations_that_finish_together_share_commits(tmp_path: Path) -> None:
    with Record(tmp_path / "run.sqlite") as record:
        record.begin(CONFIGURATION, QUESTIONS)
        statements: list[str] = []
        record._database.set_trace_callback(statements.append)
        await asyncio.gather(*(record.save(Generation(0, Member(1, i, reply=Reply("x")))) for i in range(500)))
        assert len(record.members(0)) == 500
        assert 0 < statements.count("COMMIT") < 50


async def test_a_waiter_that_gives_up_takes_the_commit_from_nobody() -> None:
    with Record(None) as record:
        record.begin(CONFIGURATION, QUESTIONS)
        waiters = [asyncio.create_task(record.save(Generation(0, Member(1, i, reply=Reply("x"))))) for i in range(20)]
        await asyncio.sleep(0)
        for waiter in waiters[::2]:
            waiter.cancel()
        await asyncio.gather(*waiters, return_exceptions=True)
        await record.drain()
        assert len(record.members(0)) == 20


WRITER = """
import asyncio, sys
from pathlib import Path
from selfagg.record.record import Generation, Record
from selfagg.types import Member, Question, Reply

async def write(record):
    async def one(i):
        await record.save(Generation(0, Member(1, i, reply=Reply("x" * 2000))))
        print(i, flush=True)
    for start in range(0, 10**6, 5):
        await asyncio.gather(*(one(i) for i in range(start, start + 5)))

with Record(Path(sys.argv[1])) as record:
    record.begin({"a": 1}, [Question("a", "A?")])
    asyncio.run(write(record))
"""


@pytest.mark.parametrize("lines", [1, 7, 60, 200])
def test_what_was_said_to_be_saved_survives_kill_9(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "run.sqlite"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    said = [int(process.stdout.readline()) for _ in range(lines)]
    os.kill(process.pid, signal.SIGKILL)
    said += [int(line) for line in process.stdout if line.endswith("\n")]
    process.wait()
    with Record(path) as record:  # not read-only: the lock of a killed process must not stand in the way
        assert set(said) <= {i for _, _, i in record.members(0)}
        assert record.query("PRAGMA integrity_check") == [("ok",)]


def test_a_folder_is_no_record(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder: name a file in it"):
        Record(tmp_path)
    assert list(tmp_path.parent.glob(f".{tmp_path.name}*")) == []


@pytest.mark.parametrize(("t", "i", "fits"), [(2, 3, True), (3, 0, False), (1, 4, False)])
async def test_a_record_holds_no_members_that_its_method_does_not_have(t: int, i: int, fits: bool) -> None:
    method = RSA(n=4, k=2, t=2)
    with Record(None) as record:
        record.begin(configuration(method, "m", Settings(), "s"), QUESTIONS)
        await record.save(Generation(0, Member(t, i, reply=Reply("x"))))
        if fits:
            record.check_run()
        else:
            with pytest.raises(UsageError, match=f"members of population {t} or at place {i}, which its method"):
                record.check_run()


def test_a_record_that_lacks_a_question_is_damaged() -> None:
    with Record(None) as record:
        record.begin(configuration(RSA(), "m", Settings(), "s"), QUESTIONS)
        record.query("DELETE FROM questions WHERE position = 0")
        with pytest.raises(UsageError, match="it lacks questions"):
            record.check_run()


async def test_weights_can_be_taken_back_and_groups_are_named_by_their_first() -> None:
    with Record(None) as record:
        record.begin(CONFIGURATION, QUESTIONS)
        await record.save_weights(1, [0.25, 0.75])
        assert (record.weights(0), record.weights(1)) == (None, [0.25, 0.75])
        await record.save_weights(1, None)
        assert record.weights(1) is None
        members = [Member(1, i, reply=Reply("x"), answer="a", score=0.0) for i in range(4)]
        for member in members:
            await record.save_score(0, member)
        await record.save_groups(0, [[members[1], members[3]], [members[0]]])
        assert record.query("SELECT i, same FROM scores ORDER BY i") == [(0, 0), (1, 1), (2, None), (3, 1)]


async def test_what_is_handed_over_in_turn_is_written_in_turn() -> None:
    """A score waits for its member, and the last of two writes to one place stays."""
    with Record(None) as record:
        record.begin(CONFIGURATION, QUESTIONS)
        for round_ in range(30):
            await asyncio.gather(
                *(record.save(Generation(0, Member(1, 0, reply=Reply(f"{round_}.{last}")))) for last in range(5)),
                record.save_score(0, Member(1, 0, answer="a", score=1.0)),
                record.save_groups(0, [[Member(1, 0)]]),
            )
            assert record.members(0)["candidate", 1, 0].text == f"{round_}.4"
            assert record.query("SELECT same FROM scores") == [(0,)]


async def test_a_copy_keeps_what_is_here_and_takes_scores_only_where_they_are_wanted() -> None:
    with Record(None) as source, Record(None) as target:
        for record in (source, target):
            record.begin(CONFIGURATION, QUESTIONS)
        for i in range(3):
            await source.save(Generation(0, Member(1, i, reply=Reply(f"theirs {i}"))))
            await source.save_score(0, Member(1, i, answer=f"{i}", score=1.0))
        await target.save(Generation(0, Member(1, 0, reply=Reply("ours"))))
        assert target.copy_from(source, "i < ?", [2], scores=False) == 1
        assert target.query("SELECT count(*) FROM scores") == [(0,)]
        assert target.copy_from(source, "i < ?", [2]) == 0
        assert [member.text for member in target.members(0).values()] == ["ours", "theirs 1"]
        assert target.query("SELECT i FROM scores ORDER BY i") == [(0,), (1,)]
