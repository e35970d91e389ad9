"""A record's file: held by one writer under all its names, and looked over before it is read."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from selfagg.analysis.summary import summarise
from selfagg.errors import UsageError
from selfagg.evaluation.analyze import analyze
from selfagg.html_report.build import build_report
from selfagg.methods import RSA
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.configuration import configuration
from selfagg.record.database import WriteLock
from selfagg.record.record import Generation, Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.types import Member, Question, Reply

QUESTIONS = [Question(f"q{p}", f"Question {p}? {'word ' * (7 * p % 30)}", gold=str(p)) for p in range(8)]
METHOD = RSA(n=4, k=2, t=3)
CONFIGURATION = configuration(METHOD, "simulated:", Settings(), "test")


def run(path: Path) -> dict[str, object]:
    """A run, or the rest of it; what it came to, but for its time."""
    with Record(path) as record:
        record.begin(CONFIGURATION, QUESTIONS)
        asyncio.run(evaluate(Engine(SimulatedModel(Simulation(p=0.5)), Settings(), record), METHOD, QUESTIONS))
        return summarise(record).as_json() | {"seconds": 0, "record": ""}


def analysed(path: Path) -> str:
    found = analyze(path).to_dict()
    found["run"] |= {"seconds": 0, "record": ""}
    return json.dumps(found)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "run.sqlite"
    run(path)
    return path.read_bytes()


HOLDER = """
import sys
from pathlib import Path
from selfagg.record.record import Record
with Record(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("name", ["run.sqlite", "hard.sqlite", "soft.sqlite"])
def test_a_second_writer_is_kept_out_under_every_name(tmp_path: Path, whole: bytes, name: str) -> None:
    path = tmp_path / "run.sqlite"
    path.write_bytes(whole)
    os.link(path, tmp_path / "hard.sqlite")
    (tmp_path / "soft.sqlite").symlink_to(path)
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=f"{name} is in use by another selfagg process"):
            Record(tmp_path / name)
        Record(path, read_only=True).close()  # who only reads is welcome
        holder.communicate("\n")
    Record(tmp_path / name).close()
    with Record(path), pytest.raises(UsageError, match="in use by another selfagg process"):
        Record(tmp_path / name)  # in the same process too


@pytest.mark.parametrize("lost", ["-wal", ""])
async def test_a_log_that_disappears_is_noticed_and_what_it_held_is_saved(tmp_path: Path, lost: str) -> None:
    path = tmp_path / "run.sqlite"
    with Record(path) as record:
        record.begin(CONFIGURATION, QUESTIONS)
        await record.save(Generation(0, Member(1, 0, reply=Reply("kept"))))
        os.unlink(f"{path}{lost}")  # noqa: PTH108 - in a coroutine
        with pytest.raises(UsageError, match="was removed or cut short" if lost else "was deleted, moved or cut short"):
            await record.save(Generation(0, Member(1, 1, reply=Reply("too late"))))
    if lost:
        with Record(path, read_only=True) as record:
            assert [member.text for member in record.members(0).values()] == ["kept"]


@pytest.mark.parametrize("cut", ["-wal", ""])
def test_a_file_that_is_cut_short_is_noticed(tmp_path: Path, cut: str) -> None:
    path = tmp_path / "run.sqlite"
    record = Record(path)
    record.begin(CONFIGURATION, QUESTIONS)
    os.truncate(f"{path}{cut}", 0)
    with pytest.raises(UsageError, match="cut short while it was being written"):
        record.close()


def flip(content: bytearray, drawn: random.Random) -> None:
    content[drawn.randrange(len(content))] ^= 1 << drawn.randrange(8)


def scatter(content: bytearray, drawn: random.Random) -> None:
    for _ in range(20):
        content[drawn.randrange(len(content))] = drawn.randrange(256)


def _pages(content: bytearray, drawn: random.Random) -> tuple[slice, slice]:
    places = [drawn.randrange(len(content) // 4096) * 4096 for _ in range(2)]
    return slice(places[0], places[0] + 4096), slice(places[1], places[1] + 4096)


def swap(content: bytearray, drawn: random.Random) -> None:
    one, other = _pages(content, drawn)
    content[one], content[other] = content[other], content[one]


def double(content: bytearray, drawn: random.Random) -> None:
    one, other = _pages(content, drawn)
    content[one] = content[other]


def blank(content: bytearray, drawn: random.Random) -> None:
    content[_pages(content, drawn)[0]] = bytes(4096)


def cut(content: bytearray, drawn: random.Random) -> None:
    del content[drawn.randrange(1, len(content)) :]


def header(content: bytearray, drawn: random.Random) -> None:
    for _ in range(3):
        content[drawn.randrange(100)] = drawn.randrange(256)


@pytest.mark.parametrize("damage", [flip, scatter, swap, double, blank, cut, header])
def test_damaged_bytes_give_a_sentence(
    tmp_path: Path, whole: bytes, damage: Callable[[bytearray, random.Random], None]
) -> None:
    drawn = random.Random(damage.__name__)
    path, read_well = tmp_path / "run.sqlite", 0
    for _ in range(12):
        content = bytearray(whole)
        damage(content, drawn)
        for read in (run, analysed):
            for file in tmp_path.iterdir():
                file.unlink()
            path.write_bytes(content)
            with contextlib.suppress(UsageError):  # any other exception than the one sentence fails the test
                read(path)
                read_well += 1
    assert read_well < 24 or damage is flip  # a bit of a text is not missed


def test_swapped_pages_change_no_figure(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "run.sqlite"
    path.write_bytes(whole)
    truth, pages = analysed(path), len(whole) // 4096
    for one in range(1, pages):
        content = bytearray(whole)
        other = 1 + one % (pages - 1)
        content[4096 * one : 4096 * one + 4096] = whole[4096 * other : 4096 * other + 4096]
        content[4096 * other : 4096 * other + 4096] = whole[4096 * one : 4096 * one + 4096]
        path.write_bytes(content)
        try:
            assert analysed(path) == truth
        except UsageError:
            continue


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE generations SET t = 99 WHERE t = 3",
        "UPDATE generations SET t = 't' WHERE t = 3",
        "UPDATE generations SET i = 9 WHERE i = 3",
        "UPDATE generations SET i = -1 WHERE i = 3",
        "UPDATE generations SET question = 99 WHERE question = 3",
        "UPDATE generations SET parents = '[99, 99]' WHERE t = 2",
        "UPDATE generations SET parents = '[-1, 0]' WHERE t = 2",
        "UPDATE generations SET parents = '[1.5, 0]' WHERE t = 2",
        "UPDATE generations SET parents = '{}' WHERE t = 2",
        "UPDATE generations SET parents = '[0]' WHERE t = 2 AND i = 1",
        "UPDATE generations SET parents = '[0, 1]' WHERE t = 1",
        "UPDATE generations SET stop = 'bored'",
        "UPDATE generations SET error = 'x' WHERE question = 2",
        "UPDATE generations SET prompt_tokens = NULL",
        "UPDATE generations SET prompt_tokens = -1",
        "UPDATE generations SET prompt_tokens = 1e300",
        "UPDATE generations SET seconds = 9e999",
        "UPDATE generations SET text = x'00'",
        "DELETE FROM generations WHERE question = 2 AND t = 3 AND i = 3",
        "DELETE FROM generations WHERE t = 2",
        "DELETE FROM scores WHERE question = 2 AND t = 2 AND i = 1",
        "UPDATE scores SET score = 'x'",
        "UPDATE scores SET score = 5",
        "UPDATE scores SET score = -1e999",
        "UPDATE scores SET same = 99",
        "UPDATE scores SET same = 'x'",
        "UPDATE questions SET weights = 'x'",
        "UPDATE questions SET weights = '[5]'",
        "UPDATE questions SET weights = '[2, 2, 2, 2]'",
        "UPDATE questions SET weights = '{}'",
        "UPDATE questions SET position = 99 WHERE position = 7",
        "DELETE FROM questions WHERE position = 7",
        "DELETE FROM run WHERE key = 'configuration'",
        "UPDATE run SET value = json_set(value, '$.method.t', 'x')",
        "UPDATE run SET value = json_set(value, '$.method', 1)",
        "UPDATE run SET value = json_set(value, '$.seed', 'x')",
        "DROP TABLE scores",
        "DROP INDEX failures",
        "ALTER TABLE scores ADD COLUMN more",
        "CREATE TRIGGER more AFTER INSERT ON scores BEGIN DELETE FROM generations; END",
    ],
)
def test_a_doctored_record_gives_a_sentence(tmp_path: Path, whole: bytes, statement: str) -> None:
    path = tmp_path / "run.sqlite"
    path.write_bytes(whole)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.execute(statement)
    database.close()
    with pytest.raises(UsageError, match=r"run.sqlite (is damaged|is empty|holds)"):
        analysed(path)
    with pytest.raises(UsageError, match=r"run.sqlite (is damaged|is empty|holds)"):
        build_report([path], tmp_path / "out.html")


def test_what_somebody_added_for_work_of_their_own_may_stay(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "run.sqlite"
    path.write_bytes(whole)
    truth = analysed(path)
    with sqlite3.connect(path) as database:
        database.executescript("CREATE INDEX mine ON scores (answer); ANALYZE; CREATE TABLE notes (x); VACUUM;")
    database.close()
    assert analysed(path) == truth


@pytest.mark.parametrize("replaced", [False, True])
def test_a_record_that_goes_during_a_commit_is_found_lost(replaced: bool, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    lock = WriteLock(path)
    try:
        path.rename(tmp_path / "moved.sqlite")
        if replaced:
            path.write_bytes(b"another file")
        lock.remember()  # the end of a commit that began while the file was there
        with contextlib.closing(sqlite3.connect(":memory:")) as none, pytest.raises(UsageError, match="was deleted"):
            lock.check(none)
        assert lock.lost
    finally:
        lock.release()
