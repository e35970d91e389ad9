"""Who sees a question's gold answer."""

from __future__ import annotations

import pytest

from selfagg.methods import Single
from selfagg.models.base import AlwaysOpen
from selfagg.record.configuration import configuration
from selfagg.record.record import Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.types import Question, Reply, Request

QUESTION = Question("q", "?", "text", gold="secret", data={"tests": ["secret"]})


class Curious(AlwaysOpen):
    """Keeps what it is asked."""

    name = "curious"
    concurrency = 1
    context: int | None = None

    def __init__(self, *, sees_gold: bool | None) -> None:
        self.asked: list[Request] = []
        if sees_gold is not None:
            self.sees_gold = sees_gold

    async def count_tokens(self, messages: object) -> int:
        return 1

    async def sample(self, request: Request) -> Reply:
        self.asked.append(request)
        return Reply("<answer>1</answer>")


@pytest.mark.parametrize(("sees_gold", "seen"), [(None, None), (False, None), (True, "secret")])
async def test_only_a_model_that_says_so_gets_the_gold_answer(sees_gold: bool | None, seen: str | None) -> None:
    model = Curious(sees_gold=sees_gold)
    with Record(None) as record:
        record.begin(configuration(Single(n=1), "curious", Settings(), "test"), [QUESTION])
        await evaluate(Engine(model, Settings(), record), Single(n=1), [QUESTION])
    (request,) = model.asked
    assert request.question.gold == seen
    assert ("secret" in str(request.question)) == bool(seen)
    assert request.question.id == "q"
