"""Comparisons, sweeps and replays with a simulated model."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.api import DEFAULTS
from selfagg.benchmarks.given import QuestionSet
from selfagg.errors import UsageError
from selfagg.evaluation.contenders import Lengths, at_calls, at_tokens, expected_tokens
from selfagg.evaluation.replay import replay_record, replayed_method
from selfagg.evaluation.runs import Experiment
from selfagg.methods import METHODS, RSA, BestOfN, Majority, Method, OneStep, Rejection, SelfRefine
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.configuration import configuration
from selfagg.record.record import Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.types import Question, Reply, Request

QUESTIONS = [Question(f"q{i}", f"Simulated question {i}?", "text", gold=f"right {i}") for i in range(4)]


class Counting(SimulatedModel):
    """A simulated model that counts its calls."""

    def __init__(self, **simulation: float) -> None:
        super().__init__(Simulation(**simulation))  # type: ignore[arg-type]
        self.calls = 0

    async def sample(self, request: Request) -> Reply:
        self.calls += 1
        return await super().sample(request)


def experiment(folder: Path, model: SimulatedModel) -> Experiment:
    return Experiment(model, QuestionSet(QUESTIONS, "test", "test"), DEFAULTS, folder)


@pytest.mark.parametrize(
    ("method", "size"),
    [
        (Majority(), 160),
        (Rejection(), 80),
        (BestOfN(), 80),
        (OneStep(), 80),
        (SelfRefine(), 10),
        (RSA(n=8), 20),
    ],
)
def test_methods_at_the_calls_of_the_papers_run(method: Method, size: int) -> None:
    matched = at_calls(method, 160)
    assert getattr(matched, method.grows) == size
    assert matched.calls == 160


@given(name=st.sampled_from(sorted(METHODS)), calls=st.integers(40, 5000))
def test_a_matched_method_is_the_largest_within_the_budget(name: str, calls: int) -> None:
    matched = at_calls(METHODS[name](), calls)
    assert matched.calls <= calls
    larger = {**matched.settings(), matched.grows: getattr(matched, matched.grows) + 1}
    larger.pop("name")
    try:
        assert METHODS[name](**larger).calls > calls
    except UsageError:  # single and majority have one population and grow by members only
        raise AssertionError("every method can grow") from None


async def test_expected_tokens_are_those_of_a_run(tmp_path: Path) -> None:
    model = SimulatedModel(Simulation(tokens=300, cv=0))
    work = experiment(tmp_path, model)
    for method in (RSA(n=6, k=3, t=4), Majority(n=9), SelfRefine(n=2, t=5)):
        with Record(await work.run(method, 1), read_only=True) as record:
            ((spent,),) = record.query("SELECT sum(completion_tokens) FROM generations")
            lengths = Lengths.measured(record)
            assert lengths.reply == 300
            prompt_free = Lengths(0, lengths.reply)
            aggregations = method.calls - method.size(1)
            candidates = aggregations * method.parents * lengths.reply
            assert expected_tokens(method, prompt_free) - candidates == spent / len(QUESTIONS)


def test_matching_tokens_gives_voting_more_samples_than_matching_calls() -> None:
    lengths = Lengths(prompt=100, reply=1000)
    budget = expected_tokens(RSA(), lengths)
    by_tokens, by_calls = at_tokens(Majority(), budget, lengths), at_calls(Majority(), 160)
    assert by_tokens.n > 4 * by_calls.n
    assert budget - 1100 < expected_tokens(by_tokens, lengths) <= budget


async def test_methods_share_first_samples_and_pay_for_them_once(tmp_path: Path) -> None:
    model = Counting()
    methods: list[Method] = [RSA(n=4, k=2, t=3), Majority(n=12), SelfRefine(n=4, t=3)]
    paths = await experiment(tmp_path, model).run_all(methods, seeds=[1, 2])
    assert model.calls == 2 * len(QUESTIONS) * (12 + 8 + 8)
    first: list[list[str]] = []
    for path, method in zip(paths[::2], methods, strict=True):
        with Record(path, read_only=True) as record:
            assert record.configuration["method"]["name"] == method.name
            rows = record.query("SELECT text FROM generations WHERE t = 1 AND i < 4 ORDER BY question, i")
            first.append([text for (text,) in rows])
            assert record.query("SELECT count(*) FROM generations") == [(len(QUESTIONS) * method.calls,)]
            assert record.query("SELECT count(*) FROM questions WHERE weights IS NULL") == [(0,)]
    assert first[0] == first[1] == first[2]
    again = Counting()
    assert await experiment(tmp_path, again).run_all(methods, seeds=[1, 2]) == paths
    assert again.calls == 0


async def test_other_settings_share_nothing(tmp_path: Path) -> None:
    work = experiment(tmp_path, SimulatedModel(Simulation()))
    model = Counting()
    other = Experiment(
        model,
        QuestionSet(QUESTIONS, "other source", "test"),
        {**DEFAULTS, "candidate": "answer"},
        tmp_path / "other",
    )
    await other.run(Majority(n=3), 1, shared=[await work.run(Majority(n=6), 1)])
    assert model.calls == 3 * len(QUESTIONS)


async def test_a_replay_reads_a_smaller_run_out_of_a_larger_one(tmp_path: Path) -> None:
    work = experiment(tmp_path, SimulatedModel(Simulation()))
    with Record(await work.run(RSA(n=6, k=2, t=5), 7), read_only=True) as source:
        method = replayed_method(source.configuration["method"], t=2)
        direct = experiment(tmp_path / "direct", SimulatedModel(Simulation()))
        with (
            await replay_record(source, method) as shorter,
            Record(await direct.run(method, 7), read_only=True) as short,
        ):
            for position in range(len(QUESTIONS)):
                assert shorter.members(position) == short.members(position)
                assert shorter.weights(position) == short.weights(position)
        vote = replayed_method(source.configuration["method"], "majority", n=5)
        with await replay_record(source, vote, tmp_path / "vote.sqlite") as voted:
            for position in range(len(QUESTIONS)):
                weights = voted.weights(position)
                assert weights is not None
                assert sorted(weights) == [0, 0, 0, 0, 1]


async def test_a_replay_of_a_run_with_failures_keeps_them(tmp_path: Path) -> None:
    method = RSA(n=4, k=2, t=2)
    with Record(tmp_path / "run.sqlite") as source:
        source.begin(configuration(method, "simulated:", Settings(), "test"), QUESTIONS)
        await evaluate(Engine(SimulatedModel(Simulation(fail=0.3)), Settings(), source), method, QUESTIONS)
        failed = source.query("SELECT count(*) FROM generations WHERE error IS NOT NULL")
        with await replay_record(source, method) as replayed:
            assert replayed.query("SELECT count(*) FROM generations WHERE error IS NOT NULL") == failed != [(0,)]


async def test_a_replay_scores_anew(tmp_path: Path) -> None:
    work = experiment(tmp_path, SimulatedModel(Simulation()))
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
        source.begin(configuration(method, "simulated:", Settings(), "test"), QUESTIONS)
        with pytest.raises(UsageError, match="no question whose members are all there"):
            await replay_record(source, method)
        engine = Engine(SimulatedModel(Simulation()), Settings(), source)
        await evaluate(engine, method, QUESTIONS, only=[1, 3])
        with await replay_record(source, method) as replayed:
            assert replayed.query("SELECT position FROM questions WHERE weights IS NOT NULL") == [(1,), (3,)]
