"""Several runs with one model: what they share, and what they do not."""

from pathlib import Path

from selfagg.api import DEFAULTS
from selfagg.benchmarks.given import QuestionSet
from selfagg.evaluation.runs import Experiment
from selfagg.methods import RSA, Majority, Method, SelfRefine
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.record import Record
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
