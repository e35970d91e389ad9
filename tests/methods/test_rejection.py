"""Verdicts and grades that the model gives its own samples."""

from __future__ import annotations

import pytest
from tests.methods.made import Scripted, made

from selfagg.methods import BestOfN, Rejection
from selfagg.methods.rejection import grade, judged_true


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


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("True", True),
        ("**true**.", True),
        ("False", False),
        ("It is false, not true", False),
        ("untrue", False),
        ("", False),
    ],
)
def test_verdicts(reply: str, verdict: bool) -> None:
    assert judged_true(reply) is verdict


@pytest.mark.parametrize(("reply", "value"), [("7", 7), ("Grade: 8.5/10", 8.5), ("100", 10), ("good", -1), ("", -1)])
def test_grades(reply: str, value: float) -> None:
    assert grade(reply) == value
