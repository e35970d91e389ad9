"""Counting a run: each population, failures, pace; and a continued run starts from what the record has."""

from __future__ import annotations

import pytest

from selfagg.analysis.summary import summarise
from selfagg.methods import RSA
from selfagg.models import connect
from selfagg.progress import WINDOW_S, Progress
from selfagg.progress_bar import line
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
