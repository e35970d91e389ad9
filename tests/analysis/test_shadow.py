"""What a record tells of other settings, against runs with these settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import selfagg
from selfagg.analysis.costs import costs_by_question, mean_cost
from selfagg.analysis.shadow import Shadow, Shadows
from selfagg.evaluation.evaluate import Evaluation
from selfagg.evaluation.record_files import opened_record
from selfagg.methods import RSA, Majority, Method
from selfagg.record.record import Record
from selfagg.types import Question

QUESTIONS = [Question(f"q{i}", f"Question {i}?", "math", gold=str(i)) for i in range(40)]
MODEL = "simulated:aime,unanswered=0.05"


def run(method: Method, record: Path | None = None, questions: list[Question] = QUESTIONS) -> Evaluation:
    return selfagg.evaluate(questions, model=MODEL, method=method, record=record)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shadow") / "plain.sqlite"
    run(RSA(n=8, k=3, t=5), path)
    return path


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of few questions, for what is exact."""
    path = tmp_path_factory.mktemp("shadow") / "few.sqlite"
    run(RSA(n=8, k=3, t=5), path, QUESTIONS[:12])
    return path


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shadow") / "majority.sqlite"
    run(Majority(n=24), path, QUESTIONS[:12])
    return path


def shadow(path: Path, method: Method) -> Shadow:
    with opened_record(path) as record:
        return Shadows(record).of(method)


def check_the_same(told: Shadow, real: Evaluation) -> None:
    """Every figure that both have is the same."""
    summary = real.summary
    assert told.exact
    assert told.calls == pytest.approx(summary.calls / summary.questions)
    assert told.tokens == pytest.approx(summary.usage.total / summary.questions)
    assert told.depth == pytest.approx(summary.depth)
    assert told.accuracy is not None
    assert summary.answer_accuracy is not None
    assert told.accuracy.mean == pytest.approx(summary.answer_accuracy.mean)
    assert (told.accuracy.low, told.accuracy.high) == pytest.approx(
        (summary.answer_accuracy.low, summary.answer_accuracy.high)
    )


@pytest.mark.parametrize(
    "method",
    [
        RSA(n=8, k=3, t=5, stop="share:0.875"),
        RSA(n=8, k=3, t=5, stop="unanimous", answer="majority"),
        RSA(n=8, k=3, t=5, stop="share:0.6"),
        RSA(n=8, k=3, t=5, answer="majority"),
        RSA(n=8, k=3, t=3, stop="share:0.75"),
        RSA(n=8, k=3, t=1),
        RSA(n=8, k=3, t=5),
        Majority(n=8, stop="decided"),
        Majority(n=5),
    ],
    ids=str,
)
def test_calls_and_answers_are_those_of_a_run_with_the_settings(few: Path, method: Method) -> None:
    check_the_same(shadow(few, method), run(method, questions=QUESTIONS[:12]))


@pytest.mark.parametrize("stop", ["never", "decided", "asc:0.95", "asc:0.6"])
@pytest.mark.parametrize("n", [24, 9])
def test_votes_of_independent_samples(samples: Path, n: int, stop: str) -> None:
    method = Majority(n=n, stop=stop)
    check_the_same(shadow(samples, method), run(method, questions=QUESTIONS[:12]))


@pytest.mark.parametrize(
    "method",
    [
        RSA(n=8, k=3, t=5, copy=True),
        RSA(n=8, k=3, t=5, stop="share:0.875", copy=True, answer="majority"),
        RSA(n=4, k=3, t=5, answer="majority"),
    ],
    ids=str,
)
def test_copies_and_smaller_populations_are_told_by_r_c(plain: Path, method: Method) -> None:
    told, real = shadow(plain, method), run(method).summary
    assert not told.exact
    assert told.calls == pytest.approx(real.calls / real.questions, rel=0.1)
    assert told.depth == pytest.approx(real.depth, rel=0.1)
    assert told.tokens == pytest.approx(real.usage.total / real.questions, rel=0.1)
    assert told.accuracy is not None
    assert real.answer_accuracy is not None
    assert told.accuracy.mean == pytest.approx(real.answer_accuracy.mean, abs=0.07)


def test_by_r_c_is_the_same_each_time(plain: Path) -> None:
    method = RSA(n=8, k=3, t=5, copy=True)
    assert shadow(plain, method) == shadow(plain, method)


def test_the_reversal_rate_counts_populations_that_agreed(write: Callable[..., Record]) -> None:
    # The last population votes R, R, b, a. Of those before, with 3 of 4 alike:
    questions = [
        ("RRRa", "RRRR", "RRRa"),  # two agree, none is reversed
        ("aaab", "aabb", "RRab"),  # one agrees on a wrong answer, and is reversed
        ("RRR-", "Rabc", "bbbR"),  # one agrees on the right answer, and is reversed
        ("aabb", "aaac", "aaaa"),  # one agrees
    ]
    told = Shadows(write(questions)).of(RSA(n=4, k=2, t=3, stop="share:0.75"))
    assert told.reversal is not None
    assert (told.reversal.mean, told.reversal.n_values) == (2 / 5, 5)
    assert told.depth == (1 + 1 + 1 + 2) / 4
    assert told.calls == 4 * told.depth
    assert told.accuracy is not None
    assert told.accuracy.mean == 2 / 4
    assert told.difference is not None
    assert told.difference.difference == pytest.approx((2 - (3 / 4 + 2 / 4 + 1 / 4 + 0)) / 4)
    assert told.against_vote is not None
    assert told.against_vote.difference == 0.0


def test_without_gold_calls_are_known_and_accuracy_is_not(write: Callable[..., Record]) -> None:
    shadows = Shadows(write([("aaab", "aabb", "bbbb"), ("aabc", "aaab", "aaaa")], gold=False))
    told = shadows.of(RSA(n=4, k=2, t=3, stop="share:0.75"))
    assert (told.depth, told.accuracy, told.difference, told.against_vote) == (1.5, None, None, None)
    assert told.reversal is not None
    assert told.reversal.mean == 0.5
    with pytest.raises(selfagg.UsageError, match="no r_c to tell of copied sets"):
        shadows.of(RSA(n=4, k=2, t=3, copy=True))


def test_tokens_that_nobody_told_are_unknown_and_members_without_a_score_are_left_out(
    write: Callable[..., Record],
) -> None:
    told = Shadows(write([("RRRR", "R~RR")])).of(RSA(n=4, k=2, t=2, stop="unanimous"))
    assert (told.tokens, told.recorded_tokens) == (4 * 110 + 6, None)  # what is not known was not needed
    told = Shadows(write([("RRaa", "R~RR")])).of(RSA(n=4, k=2, t=2, stop="unanimous"))
    assert told.tokens is None
    told = Shadows(write([("RRaa", "a?RR")])).of(RSA(n=4, k=2, t=2))
    assert told.accuracy is not None
    assert told.accuracy.mean == pytest.approx(2 / 3)


def test_a_failed_call_takes_no_tokens_as_in_every_other_sum(write: Callable[..., Record]) -> None:
    record = write([("RRa!", "RRRR")])
    told = Shadows(record).of(RSA(n=4, k=2, t=2, stop="unanimous"))
    assert told.tokens == told.recorded_tokens == mean_cost(costs_by_question(record).values()).tokens


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (RSA(n=16, k=3, t=5), "cannot tell of rsa n=16"),
        (RSA(n=8, k=3, t=6), "t=6"),
        (RSA(n=8, k=2, t=5), "k=2"),
        (RSA(n=8, k=3, t=5, order="prefix"), "order=prefix"),
        (Majority(n=9), "majority n=9"),
    ],
)
def test_what_the_record_lacks_is_refused(plain: Path, method: Method, words: str) -> None:
    with pytest.raises(selfagg.UsageError, match=words):
        shadow(plain, method)


def test_a_run_that_stopped_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stopped.sqlite"
    run(RSA(n=4, k=2, t=3, stop="unanimous", copy=True), path, QUESTIONS[:3])
    with pytest.raises(selfagg.UsageError, match=r"was made with stop=unanimous, copy=True.*without stop and copy"):
        selfagg.analyze(path, stop="share:0.75")


def test_a_method_without_sets_or_votes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chains.sqlite"
    selfagg.evaluate(QUESTIONS[:3], model=MODEL, method="self-refine", n=2, t=2, record=path)
    with pytest.raises(selfagg.UsageError, match="self-refine: only rsa and majority"):
        selfagg.analyze(path, t=1)


def test_the_same_from_python_and_in_json(plain: Path) -> None:
    analysis = selfagg.analyze(plain, stop="share:0.875", answer="majority", t=4)
    told = analysis.shadow
    assert told == shadow(plain, RSA(n=8, k=3, t=4, stop="share:0.875", answer="majority"))
    assert told is not None
    found: dict[str, Any] = analysis.to_dict()["shadow"]
    assert (found["calls"], found["exact"], found["recorded_calls"]) == (told.calls, True, 40.0)
    assert selfagg.analyze(plain).shadow is None
    with pytest.raises(selfagg.UsageError, match="there is no rule"):
        selfagg.analyze(plain, stop="soon")
