"""Cheaper settings, searched on a record."""

from __future__ import annotations

import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import selfagg
from selfagg.evaluation.advise import flags
from selfagg.methods import RSA, Majority, Method, method_named
from selfagg.types import Question

QUESTIONS = [Question(f"q{i}", f"Question {i}?", "math", gold=str(i)) for i in range(20)]


@pytest.fixture(autouse=True)
def fewer_courses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search draws fewer courses of the settings that are known by r_c alone."""
    monkeypatch.setattr("selfagg.analysis.shadow.DRAWS", 200)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("advise") / "run.sqlite"
    selfagg.evaluate(QUESTIONS, model="simulated:aime", method=RSA(n=8, k=4, t=4), record=path)
    return path


def test_the_front_has_no_setting_that_another_beats(record: Path) -> None:
    front = selfagg.advise(record).front
    pairs = [(shadow.calls, shadow.accuracy.mean) for shadow in front if shadow.accuracy]
    assert len(pairs) == len(front) > 2
    assert pairs == sorted(pairs)
    assert all(one[1] < other[1] for one, other in pairwise(pairs))


def test_limits_are_kept_and_the_most_accurate_is_chosen(record: Path) -> None:
    for limit in (5.0, 20.0):
        advice = selfagg.advise(record, calls=limit)
        assert advice.chosen is not None
        assert advice.chosen.calls <= limit
        within = [shadow.accuracy.mean for shadow in advice.front if shadow.calls <= limit and shadow.accuracy]
        assert advice.chosen.accuracy is not None
        assert advice.chosen.accuracy.mean >= max(within) - 1e-6
    shallow = selfagg.advise(record, depth=1)
    assert shallow.chosen is not None
    assert shallow.chosen.depth == 1
    assert selfagg.advise(record, calls=1).chosen is None


def test_the_cheapest_within_a_loss_is_chosen(record: Path) -> None:
    losses = (0.0, 5.0, 30.0)
    advices = [selfagg.advise(record, loss=loss) for loss in losses]
    costs = []
    for advice, loss in zip(advices, losses, strict=True):
        assert advice.chosen is not None
        assert advice.chosen.accuracy is not None
        assert advice.chosen.accuracy.mean >= advice.recorded_accuracy - loss / 100 - 1e-6
        costs.append(advice.chosen.calls)
    assert costs == sorted(costs, reverse=True)
    assert selfagg.advise(record).flags == selfagg.advise(record, loss=1.0).flags


def test_exact_advice_comes_true(record: Path) -> None:
    exact = [shadow for shadow in selfagg.advise(record).front if shadow.exact]
    assert exact
    for shadow in exact[:3]:
        real = selfagg.evaluate(QUESTIONS, model="simulated:aime", method=shadow.method).summary
        assert real.calls / real.questions == pytest.approx(shadow.calls)
        assert real.answer_accuracy is not None
        assert shadow.accuracy is not None
        assert real.answer_accuracy.mean == pytest.approx(shadow.accuracy.mean)


@pytest.mark.parametrize(
    ("method", "typed"),
    [
        (
            RSA(n=8, k=4, t=10, stop="share:0.875", copy=True, answer="majority"),
            "-n 8 -k 4 -t 10 --stop share:0.875 --copy --answer majority",
        ),
        (RSA(n=4, k=2, t=3, order="prefix"), "-n 4 -k 2 -t 3 --order prefix"),
        (Majority(n=16, stop="asc:0.95"), "--method majority -n 16 --stop asc:0.95"),
    ],
)
def test_the_flags_are_those_that_ask_for_the_method(method: Method, typed: str) -> None:
    assert flags(method) == typed
    words = iter(shlex.split(typed))
    given = {word.strip("-"): True if word == "--copy" else next(words) for word in words}
    sizes = {key: int(value) if key in "nkt" else value for key, value in given.items()}
    assert method_named(str(sizes.pop("method", "rsa")), **sizes) == method


def test_without_gold_there_is_no_advice(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    asked = [Question("q", "Say it in <answer>.")]
    selfagg.evaluate(asked, model="simulated:", method=RSA(n=4, k=2, t=2), record=path)
    with pytest.raises(selfagg.UsageError, match="no gold answers, so nobody knows"):
        selfagg.advise(path)


def test_a_record_of_votes(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    selfagg.evaluate(QUESTIONS, model="simulated:aime", method=Majority(n=32), record=path)
    advice = selfagg.advise(path, loss=2)
    assert advice.flags is not None
    assert advice.flags.startswith("--method majority -n ")
    assert advice.tried == 3 * 4


@pytest.mark.parametrize("asked", [{"calls": -1}, {"depth": float("nan")}, {"loss": -2}, {"calls": "30"}])
def test_amounts_that_are_none(tmp_path: Path, asked: dict[str, Any]) -> None:
    path = tmp_path / "run.sqlite"
    selfagg.evaluate(QUESTIONS[:1], model="simulated:", method=Majority(n=2), record=path)
    with pytest.raises(selfagg.UsageError, match="must be a number"):
        selfagg.advise(path, **asked)
