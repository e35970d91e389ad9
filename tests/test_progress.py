"""Showing a run: counts, pace and what a record has already; the live view at any size of terminal, the plain lines."""

from __future__ import annotations

import io
import re
import threading

import pytest
from rich.console import Console

from selfagg.analysis.summary import summarise
from selfagg.methods import RSA
from selfagg.models import connect
from selfagg.progress import WINDOW_S, Bar, Progress, ProgressCounts, clock, headline, line, render, rows, shown
from selfagg.record.record import CANDIDATE, Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.types import Member, Question, Reply, Usage


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def member(t: int, i: int, *, answer: str | None = "1", score: float | None = None, tokens: int = 10) -> Member:
    return Member(t, i, reply=Reply("text", usage=Usage(completion=tokens)), answer=answer, score=score)


def test_members_are_counted_by_population_and_by_what_they_answered() -> None:
    progress = Progress([2, 2], 3)
    for i, (answer, score) in enumerate([("1", 1.0), ("2", 0.0), ("2", 0.3), (None, 0.0)]):
        progress.generated(0, member(1, i), CANDIDATE, fresh=True)
        progress.scored(0, member(1, i, answer=answer, score=score))
    first, second = progress.tallies
    assert (first.size, first.done, first.right, first.wrong, first.unanswered) == (6, 4, 1, 2, 1)
    assert first.accuracy == 1 / 4
    assert (second.done, second.accuracy) == (0, None)
    assert (progress.done, progress.size) == (4, 12)


def test_more_members_than_planned_are_no_more_than_all() -> None:
    progress = Progress([1], 1)  # one answer's ancestors, of which one failed: another member is computed instead
    for i in range(3):
        progress.generated(0, member(1, i), CANDIDATE, fresh=True)
    assert (progress.done, progress.size) == (3, 3)


def test_calls_that_make_no_member_count_as_calls_only() -> None:
    progress = Progress([2], 1)
    progress.generated(0, member(1, 0), "verdict", fresh=True)
    assert (progress.done, progress.calls, progress.tokens) == (0, 1, 10)


def test_silence_is_measured_from_the_last_reply_to_the_end_of_the_run() -> None:
    clock = Clock()
    progress = Progress([2], 1, clock=clock)
    clock.now = 65.0
    assert progress.silent_s == 65.0
    assert "no reply for 1:05" in line(progress)
    progress.generated(0, member(1, 0), CANDIDATE, fresh=True)
    clock.now = 75.0
    assert progress.silent_s == 10.0
    assert "no reply" not in line(progress)
    progress.generated(0, member(1, 1), CANDIDATE, fresh=True)
    clock.now = 500.0
    assert progress.silent_s == 0.0


def test_failures_are_members_too() -> None:
    progress = Progress([2], 1)
    progress.generated(0, Member(1, 0, error="gone"), CANDIDATE, fresh=True)
    assert (progress.done, progress.failures, progress.tokens) == (1, 1, 0)


def test_where_no_right_answer_is_known_there_is_no_accuracy_but_the_frequent_answer() -> None:
    progress = Progress([3], 1)
    for i, answer in enumerate(["7", "7", None]):
        progress.scored(0, member(1, i, answer=answer))
    assert progress.tallies[0].accuracy is None
    assert progress.tallies[0].answers.most_common(1) == [("7", 2)]


def test_pace_counts_what_the_model_wrote_in_this_session() -> None:
    clock = Clock()
    progress = Progress([10], 1, clock=clock)
    progress.generated(0, member(1, 0, tokens=500), CANDIDATE, fresh=False)  # from the record
    assert progress.left_s is None
    clock.now = 10.0
    for i in range(1, 4):
        progress.generated(0, member(1, i, tokens=100), CANDIDATE, fresh=True)
    assert progress.tokens_per_second() == pytest.approx(30.0)
    assert progress.left_s == pytest.approx(6 * 10 / 3)


def test_tokens_per_second_forget_what_is_long_past() -> None:
    clock = Clock()
    progress = Progress([1000], 1, clock=clock)
    for second in range(1, 301):
        clock.now = float(second)
        if second <= 100:
            progress.generated(0, member(1, second, tokens=50), CANDIDATE, fresh=True)
        rate = progress.tokens_per_second()
        if second == 100:
            assert rate == pytest.approx(50.0)
        if second > 100 + WINDOW_S + 1:
            assert rate == 0.0


async def test_a_continued_run_starts_from_what_the_record_has() -> None:
    """What the view shows after a resume is what it showed before, and what the record says."""
    method, questions = RSA(n=4, k=2, t=3), [Question(str(i), f"{i}?", gold=str(i)) for i in range(5)]
    with Record(None) as record:
        record.begin({}, questions)
        seen = Progress([4, 4, 4], 5)
        async with connect("simulated:unanswered=0.3") as model:
            await evaluate(Engine(model, Settings(), record, callback=seen), method, questions)
            again = Progress([4, 4, 4], 5)
            again.resume(record)
            assert [(t.done, t.right, t.wrong, t.unanswered) for t in again.tallies] == [
                (t.done, t.right, t.wrong, t.unanswered) for t in seen.tallies
            ]
            assert again.finished_questions == seen.finished_questions == 5
            assert again.done == 60

            # one question half done: it is told of by the engine as it goes on, not counted twice
            record.query("UPDATE questions SET weights = NULL WHERE position = 2")
            record.query("DELETE FROM generations WHERE question = 2 AND t = 3")
            record.query("DELETE FROM scores WHERE question = 2 AND t = 3")
            half = Progress([4, 4, 4], 5)
            half.resume(record)
            assert (half.finished_questions, half.done) == (4, 48)
            await evaluate(Engine(model, Settings(), record, callback=half), method, questions)
            assert (half.finished_questions, half.done, half.calls) == (5, 60, 4)
            assert [t.right for t in half.tallies] == [t.right for t in seen.tallies]


async def test_a_question_that_stopped_counts_in_the_accuracy_of_later_populations() -> None:
    """At the end of a run, and after a resume, the accuracies are those of the record's summary."""
    method = RSA(n=4, k=2, t=4, stop="share:0.75", copy=True)
    questions = [Question(str(i), f"{i}?", "math", gold=str(i)) for i in range(8)]
    with Record(None) as record:
        record.begin({"method": dict(method.settings()), "model": "simulated:", "seed": 1234}, questions)
        seen, again = Progress([4] * 4, 8), Progress([4] * 4, 8)
        async with connect("simulated:aime,unanswered=0.1") as model:
            await evaluate(Engine(model, Settings(), record, callback=seen), method, questions)
        again.resume(record)
        told = summarise(record)
    assert 0 < told.stopped < 8
    for progress in (seen, again):
        assert [t.accuracy for t in progress.tallies] == [p.accuracy and p.accuracy.mean for p in told.populations]
        assert progress.done == progress.size < 8 * 16


def drawn(progress: Progress, *, width: int = 80, height: int = 24, encoding: str = "utf-8") -> str:
    buffer = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=buffer, width=width, height=height, force_terminal=True, color_system=None)
    console.print(
        render(progress, headline(RSA(n=4, k=2, t=3).settings(), "five questions", "simulated:p=0.5"), console)
    )
    buffer.seek(0)
    return buffer.read()


@pytest.fixture
def progress() -> Progress:
    """Five questions of 4/2/3, in the middle; the first one stopped after its first population."""
    progress = Progress([4, 4, 4], 5)
    for i in range(14):
        reply = Reply("text", usage=Usage(completion=100))
        progress.generated(i // 4, Member(1, i % 4, reply=reply), CANDIDATE, fresh=True)
        answer = None if i % 7 == 6 else "1"
        score = float(i % 2 == 0 and answer is not None)
        progress.scored(i // 4, Member(1, i % 4, reply=reply, answer=answer, score=score))
    progress.finished(0)
    return progress


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_view_fits_and_shows_each_population(progress: Progress, width: int) -> None:
    text = drawn(progress, width=width)
    assert all(len(row) <= width for row in text.splitlines())
    assert re.search(r"t=1 █+▓+▒+·+ +14/20 +42\.9%", text) or width < 80
    assert "14/20" in text
    assert re.search(r"t=2 ·+ +0/16 +50\.0%", text) or width < 80  # the question that stopped is carried forward
    assert "rsa n=4 k=2 t=3" in text
    assert "SIMULATED" in text or width < 80
    assert "1 of 5 questions" in text


def test_the_headline_names_what_changes_the_algorithm() -> None:
    told = headline(RSA(n=8, k=2, t=3, stop="unanimous", copy=True, answer="majority").settings(), "x", "y").plain
    assert told.splitlines()[0] == "rsa n=8 k=2 t=3 stop=unanimous copy=True answer=majority: x"


def test_a_terminal_without_unicode_gets_ascii_blocks(progress: Progress) -> None:
    text = drawn(progress, width=120, encoding="ascii")
    assert re.search(r"t=1 #+x+\?+\.+ +14/20", text)


@pytest.mark.parametrize("width", [10, 33, 100])
@pytest.mark.parametrize("size", [1, 7, 5000])
def test_a_bar_is_as_wide_as_its_room(width: int, size: int) -> None:
    tally = ProgressCounts(size, done=size, right=size // 2, wrong=size // 3, unanswered=size // 7)
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(Bar(tally, "█▓▒█·"))
    file = console.file
    assert isinstance(file, io.StringIO)
    (bar,) = file.getvalue().splitlines()
    assert len(bar) == width
    assert bar.count("·") <= 1  # all done: at most a rounded-off cell is left


def test_many_populations_show_those_at_work() -> None:
    tallies = [ProgressCounts(10, done=10 if t < 30 else 0) for t in range(50)]
    shown_rows = rows(tallies, 12)
    assert len(shown_rows) == 12
    assert 30 in shown_rows
    assert 31 in shown_rows
    assert list(rows(tallies[:5], 12)) == [1, 2, 3, 4, 5]
    assert len(drawn(Progress([4] * 50, 5), height=24).splitlines()) <= 24


def test_one_line_says_it_all(progress: Progress) -> None:
    text = line(progress)
    for part in ("27%", "questions 1/5", "members 14/52", "accuracy 42.9% 50.0% 50.0%", "tokens/s", "left"):
        assert part in text


@pytest.mark.parametrize("width", [40, 80])
def test_a_model_that_is_gone_is_told_of(progress: Progress, width: int) -> None:
    progress.waiting("waiting 40 s: rate limit, 20 requests a minute")
    assert line(progress).endswith("| waiting 40 s: rate limit, 20 requests a minute")
    text = drawn(progress, width=width, height=12)
    assert len(text.splitlines()) <= 12
    assert "waiting 40 s" in text
    progress.waiting(None)
    assert "waiting" not in line(progress) + drawn(progress)


def test_plain_lines_come_now_and_then_and_at_the_end() -> None:
    console = Console(file=io.StringIO(), width=200)
    progress = Progress([1], 1)
    with shown(progress, headline(RSA(n=1, k=1, t=1).settings(), "one", "simulated:"), console):
        progress.generated(0, Member(1, 0, reply=Reply("a")), CANDIDATE, fresh=True)
    file = console.file
    assert isinstance(file, io.StringIO)
    assert file.getvalue().splitlines()[-1].startswith("100% | members 1/1")
    assert all(thread.name != "selfagg-progress" for thread in threading.enumerate())


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
