"""Replays: scored anew, voted anew, smaller runs out of larger ones, runs that stopped and copied."""

from __future__ import annotations

from pathlib import Path

import pytest

import selfagg
from selfagg.api import DEFAULTS
from selfagg.benchmarks.given import QuestionSet
from selfagg.errors import UsageError
from selfagg.evaluation.evaluate import evaluate
from selfagg.evaluation.replay import Change, replay, replay_record, replayed_method
from selfagg.evaluation.runs import Experiment
from selfagg.methods import RSA, Majority
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.configuration import configuration
from selfagg.record.record import Record
from selfagg.run import runner
from selfagg.run.engine import Engine, Settings
from selfagg.types import Question

METHOD = RSA(n=5, k=2, t=4, stop="share:0.8", copy=True)
QUESTIONS = [Question(f"q{i}", f"Question {i}?", "math", gold=str(i)) for i in range(10)]
FEW = [Question(f"q{i}", f"Simulated question {i}?", "text", gold=f"right {i}") for i in range(4)]


def experiment(folder: Path) -> Experiment:
    return Experiment(SimulatedModel(Simulation()), QuestionSet(FEW, "test", "test"), DEFAULTS, folder)


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


async def test_a_replay_reads_a_smaller_run_out_of_a_larger_one(tmp_path: Path) -> None:
    work = experiment(tmp_path)
    with Record(await work.run(RSA(n=6, k=2, t=5), 7), read_only=True) as source:
        method = replayed_method(source.configuration["method"], t=2)
        direct = experiment(tmp_path / "direct")
        with (
            await replay_record(source, method) as shorter,
            Record(await direct.run(method, 7), read_only=True) as short,
        ):
            for position in range(len(FEW)):
                assert shorter.members(position) == short.members(position)
                assert shorter.weights(position) == short.weights(position)
        vote = replayed_method(source.configuration["method"], "majority", n=5)
        with await replay_record(source, vote, tmp_path / "vote.sqlite") as voted:
            for position in range(len(FEW)):
                weights = voted.weights(position)
                assert weights is not None
                assert sorted(weights) == [0, 0, 0, 0, 1]


async def test_a_replay_of_a_run_with_failures_keeps_them(tmp_path: Path) -> None:
    method = RSA(n=4, k=2, t=2)
    with Record(tmp_path / "run.sqlite") as source:
        source.begin(configuration(method, "simulated:", Settings(), "test"), FEW)
        await runner.evaluate(Engine(SimulatedModel(Simulation(fail=0.3)), Settings(), source), method, FEW)
        failed = source.query("SELECT count(*) FROM generations WHERE error IS NOT NULL")
        with await replay_record(source, method) as replayed:
            assert replayed.query("SELECT count(*) FROM generations WHERE error IS NOT NULL") == failed != [(0,)]


async def test_a_replay_scores_anew(tmp_path: Path) -> None:
    work = experiment(tmp_path)
    path = await work.run(Majority(n=4), 1)
    with Record(path) as source:
        source.query("UPDATE scores SET score = 0.5, answer = 'stale'")
        with await replay_record(source, replayed_method(source.configuration["method"])) as replayed:
            assert {score for (score,) in replayed.query("SELECT score FROM scores")} <= {0.0, 1.0}
        assert source.query("SELECT DISTINCT answer FROM scores") == [("stale",)]


@pytest.mark.parametrize(
    "asked",
    [
        {"t": 4},
        {"n": 5},
        {"k": 3},
        {"given": "self-refine"},
        {"given": "majority", "n": 7},
        {"given": "one-step"},
    ],
)
def test_what_a_record_does_not_hold_is_refused(asked: dict[str, str | int]) -> None:
    recorded: dict[str, object] = {"name": "rsa", "n": 6, "k": 2, "t": 3, "order": "random"}
    with pytest.raises(UsageError):
        replayed_method(recorded, **asked)  # type: ignore[arg-type]


async def test_an_unfinished_record_replays_its_finished_questions(tmp_path: Path) -> None:
    method = Majority(n=3)
    with Record(tmp_path / "run.sqlite") as source:
        source.begin(configuration(method, "simulated:", Settings(), "test"), FEW)
        with pytest.raises(UsageError, match="no question whose members are all there"):
            await replay_record(source, method)
        engine = Engine(SimulatedModel(Simulation()), Settings(), source)
        await runner.evaluate(engine, method, FEW, only=[1, 3])
        with await replay_record(source, method) as replayed:
            assert replayed.query("SELECT position FROM questions WHERE weights IS NOT NULL") == [(1,), (3,)]


def test_a_replay_scores_anew_and_keeps_its_scorers_name(folder: Path) -> None:
    def everything(question: selfagg.Question, text: str) -> bool:
        return True

    replay = selfagg.replay(folder / "rsa-.sqlite", scorer=everything, out=folder / "new.sqlite")
    assert replay.replayed.answer is not None
    assert replay.replayed.answer.mean == 1.0
    assert replay.recorded.answer != replay.replayed.answer
    assert replay.replayed.record == folder / "new.sqlite"
    with Record(folder / "new.sqlite", read_only=True) as record:
        assert record.configuration["scorer"].endswith("everything")
    with pytest.raises(selfagg.UsageError, match="exists already"):
        selfagg.replay(folder / "rsa-.sqlite", out=folder / "new.sqlite")


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
def test_a_replay_leaves_files_beside_its_own_alone(folder: Path, ending: str) -> None:
    beside = folder / f"new.sqlite{ending}"
    beside.write_text("somebody else's")
    with pytest.raises(selfagg.UsageError, match="exists already"):
        selfagg.replay(folder / "rsa-.sqlite", out=folder / "new.sqlite")
    assert beside.read_text() == "somebody else's"
    assert not (folder / "new.sqlite").exists()


@pytest.mark.parametrize(
    ("answer", "score", "verdicts"),
    [
        (("4", "4"), (0.0, 1.0), ("wrong", "right")),
        ((None, "4"), (0.0, 0.5), ("no answer", "partly right")),
        (("4", None), (None, None), ("unscored", "no answer")),
    ],
)
def test_a_change_in_words(
    answer: tuple[str | None, str | None], score: tuple[float | None, float | None], verdicts: tuple[str, str]
) -> None:
    assert Change("q", 1, 0, answer, score).verdicts == verdicts
