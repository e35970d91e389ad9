"""Replays and budgets of runs that stop and copy."""

from pathlib import Path

import pytest

from selfagg.errors import UsageError
from selfagg.evaluation.contenders import measured_calls_and_tokens
from selfagg.evaluation.evaluate import evaluate
from selfagg.evaluation.replay import replay
from selfagg.methods import RSA
from selfagg.record.record import Record
from selfagg.types import Question

METHOD = RSA(n=5, k=2, t=4, stop="share:0.8", copy=True)
QUESTIONS = [Question(f"q{i}", f"Question {i}?", "math", gold=str(i)) for i in range(10)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("adaptive") / "run.sqlite"
    evaluate(QUESTIONS, model="simulated:p=0.75,spread=0.4", method=METHOD, record=path)
    return path


def test_a_stopped_record_is_complete_and_replays_to_itself(path: Path) -> None:
    found = replay(path)
    recorded, replayed = found.recorded.summary, found.replayed.summary
    assert replayed.questions == len(QUESTIONS)
    assert (replayed.calls, replayed.copies, replayed.depth) == (recorded.calls, recorded.copies, recorded.depth)
    assert replayed.answer_accuracy == recorded.answer_accuracy
    assert not found.changed


def test_a_stopped_record_replays_shorter_and_with_another_answer(path: Path) -> None:
    shorter = replay(path, t=2).replayed.summary
    assert shorter.questions == len(QUESTIONS)
    assert max(population.t for population in shorter.populations) == 2
    voted = replay(path, method=RSA(n=5, k=2, t=4, stop="share:0.8", copy=True, answer="majority")).replayed.summary
    assert voted.answer_accuracy is not None
    assert voted.answer_accuracy.mean == voted.populations[-1].majority.mean  # type: ignore[union-attr]


@pytest.mark.parametrize("method", [RSA(n=5, k=2, t=4), RSA(n=5, k=2, t=4, stop="unanimous", copy=True)])
def test_a_replay_cannot_stop_elsewhere(path: Path, method: RSA) -> None:
    with pytest.raises(UsageError, match="cannot be replayed"):
        replay(path, method=method)


def test_a_stopped_record_serves_votes_over_its_first_samples(path: Path) -> None:
    assert replay(path, method="majority").replayed.summary.questions == len(QUESTIONS)


def test_calls_are_those_that_were_made(path: Path) -> None:
    with Record(path, read_only=True) as record:
        ((calls,),) = record.query("SELECT sum(tries > 0) FROM generations")
        assert measured_calls_and_tokens(record)[0] == round(calls / len(QUESTIONS)) < METHOD.calls
