"""Methods at work on one question, for their tests."""

from __future__ import annotations

from collections.abc import Mapping

from selfagg.methods import Method
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.configuration import configuration
from selfagg.record.record import Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.types import Member, Question, Reply, Request, Usage

QUESTION = Question("q", "What is 6 * 7?", "math", gold="42")
Made = dict[tuple[int, int], Member]


class Scripted(SimulatedModel):
    """A simulated model that says these texts to those prompts that hold these words."""

    def __init__(self, says: Mapping[str, str] | None = None) -> None:
        super().__init__(Simulation())
        self.says, self.requests = says or {}, list[Request]()

    async def sample(self, request: Request) -> Reply:
        self.requests.append(request)
        shown = request.messages[-1]["content"]
        for words, text in self.says.items():
            if words in shown:
                return Reply(text, usage=Usage(1, 0, 1))
        return await super().sample(request)


async def made(method: Method, model: SimulatedModel | None = None, seed: int = 3) -> tuple[Made, list[float]]:
    """Compute everything for one question; return the members and the weights of the last population."""
    settings = Settings(seed=seed)
    with Record(None) as record:
        record.begin(configuration(method, "simulated:", settings, "test"), [QUESTION])
        await evaluate(Engine(model or SimulatedModel(Simulation()), settings, record), method, [QUESTION])
        weights = record.weights(0)
        assert weights is not None
        return {(t, i): member for (_, t, i), member in record.members(0).items()}, weights
