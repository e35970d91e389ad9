"""Which members each method computes, from which parents, and how it weighs the last population."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from selfagg.errors import UsageError
from selfagg.methods import (
    METHODS,
    RSA,
    BestOfN,
    Majority,
    Method,
    MixtureOfAgents,
    OneStep,
    Rejection,
    SelfRefine,
    Single,
    is_uniform,
    method_given,
    method_named,
)  # fmt: skip
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.configuration import configuration
from selfagg.record.record import Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.run.subsets import draw_set, draw_sets
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


@pytest.mark.parametrize("order", ["random", "prefix"])
async def test_rsa_shows_the_sets_that_are_drawn_in_the_order_that_is_asked_for(order: str) -> None:
    members, weights = await made(RSA(n=8, k=3, t=3, order=order))  # type: ignore[arg-type]
    for t in (2, 3):
        sets = draw_sets(3, "q", t, n=8, k=3, order=order)  # type: ignore[arg-type]
        assert [members[t, i].parents for i in range(8)] == sets
    assert all(members[1, i].parents == () for i in range(8))
    assert weights == [1 / 8] * 8
    assert len(members) == RSA(n=8, k=3, t=3).calls == 24


def test_the_two_orders_differ() -> None:
    assert draw_sets(3, "q", 2, n=8, k=3) == [draw_set(3, "q", 2, i, n=8, k=3) for i in range(8)]
    assert draw_sets(3, "q", 2, n=8, k=3) != draw_sets(3, "q", 2, n=8, k=3, order="prefix")
    assert len(draw_sets(3, "q", 2, n=8, k=3, size=1)) == 1


async def test_self_refinement_keeps_to_its_chains() -> None:
    members, _ = await made(SelfRefine(n=3, t=3))
    assert {address: member.parents for address, member in members.items() if address[0] > 1} == {
        (t, i): (i,) for t in (2, 3) for i in range(3)
    }
    assert SelfRefine().parents == 1


async def test_layers_of_agents_see_the_whole_layer_before_and_end_in_one() -> None:
    method = MixtureOfAgents(n=3, t=3)
    members, weights = await made(method)
    assert [method.size(t) for t in (1, 2, 3)] == [3, 3, 1]
    assert {address for address in members if address[0] == 3} == {(3, 0)}
    assert all(member.parents == (0, 1, 2) for (t, _), member in members.items() if t > 1)
    assert (weights, method.parents, method.calls) == ([1.0], 3, 7)
    assert MixtureOfAgents(n=3, t=1).size(1) == 3


async def test_one_step_is_rsa_with_two_populations() -> None:
    one, _ = await made(OneStep(n=4, k=2))
    two, _ = await made(RSA(n=4, k=2, t=2))
    assert {address: member.parents for address, member in one.items()} == {
        address: member.parents for address, member in two.items()
    }
    assert len(one) == 8


async def test_the_majority_has_all_the_weight() -> None:
    members, weights = await made(Majority(n=9), SimulatedModel(Simulation(p=0.6, wrong=2)))
    answers = [members[1, i].answer for i in range(9)]
    most = max(answers, key=answers.count)
    assert weights == [float(i == answers.index(most)) for i in range(9)]
    assert sum(weights) == 1


async def test_where_nobody_answers_all_weigh_alike() -> None:
    assert (await made(Majority(n=4), SimulatedModel(Simulation(unanswered=1))))[1] == [0.25] * 4


async def test_what_the_model_judges_true_is_accepted() -> None:
    for verdict, weights in (("True", [0.5, 0.5]), ("False", [0.5, 0.5])):  # none accepted: all of them
        model = Scripted({"Reply with one word": verdict})
        assert (await made(Rejection(n=2), model))[1] == weights
    judging = [request for request in model.requests if "Reply with one word" in request.messages[-1]["content"]]
    assert (len(judging), judging[0].sampling.temperature, judging[0].sampling.max_tokens) == (2, 0.1, 10)
    mixed = Scripted({"\\boxed{42}\n\nIs the candidate's": "True", "Reply with one word": "False"})
    members, weights = await made(Rejection(n=6), mixed)
    right = [members[1, i].right for i in range(6)]
    assert 0 < sum(right) < 6
    assert weights == [yes / sum(right) for yes in right]


async def test_the_best_grade_is_the_answer() -> None:
    graded = Scripted({"\\boxed{42}\n\nHow good": "8", "Reply with the number": "3"})
    members, weights = await made(BestOfN(n=6), graded)
    right = [members[1, i].right for i in range(6)]
    assert 0 < sum(right) < 6
    assert weights == [yes / sum(right) for yes in right]
    assert BestOfN(n=6).calls == 12


def test_what_a_method_tells_of_itself() -> None:
    told = {name: (method().n, method().t, method().uniform, method().grows) for name, method in METHODS.items()}
    assert told == {
        "rsa": (16, 10, True, "t"),
        "single": (1, 1, True, "n"),
        "majority": (16, 1, False, "n"),
        "self-refine": (16, 10, True, "t"),
        "one-step": (16, 2, True, "n"),
        "rejection": (16, 1, False, "n"),
        "best-of-n": (16, 1, False, "n"),
        "mixture-of-agents": (6, 3, True, "t"),
    }
    assert (RSA().parents, Single().parents) == (4, 1)
    assert is_uniform("rsa")
    assert not is_uniform("majority")
    assert not is_uniform("somebody's own")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"n": 3, "k": 4}, "k = 4, but a set holds 1 to n = 3"),
        ({"k": 0}, "k = 0"),
        ({"order": "sorted"}, "order 'sorted'"),
        ({"layers": 2}, "method rsa has no setting layers; it has n, t, k, order"),
    ],
)
def test_what_rsa_cannot_be_set_to(settings: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        method_named("rsa", **settings)


def test_a_set_may_be_one_member_or_all() -> None:
    assert (RSA(n=4, k=1).k, RSA(n=4, k=4).k) == (1, 4)


def test_a_method_is_given_by_name_or_as_it_is() -> None:
    assert method_given("rsa", n=4, k=2, t=None) == RSA(n=4, k=2)
    assert method_given(RSA(n=4), n=None) == RSA(n=4)
    with pytest.raises(UsageError, match=r"write RSA\(\)"):
        method_given(RSA)
    with pytest.raises(UsageError, match="n and t goes with a method's name"):
        method_given(RSA(), n=4, t=3)
    with pytest.raises(UsageError, match="must be a name"):
        method_given(3)
