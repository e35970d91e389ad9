"""Requests that stop and copy: read from the body or the model's name, answered, and told under ``usage.selfagg``."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from selfagg.methods import RSA
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.run.call_queue import CallQueue
from selfagg.server.deliberation import Deliberator
from selfagg.server.errors import APIError
from selfagg.server.plan import DeliberationPlan, pattern, planned, suffix_of
from selfagg.server.settings import ServeSettings

MATH = {"kind": "math"}


def plan(
    rsa: dict[str, Any] | None = None, model: str = "m", settings: ServeSettings | None = None
) -> DeliberationPlan:
    body = {"model": model, "messages": [{"role": "user", "content": "What is 6 x 7?"}], "seed": 1}
    request, known = body | ({"rsa": rsa} if rsa else {}), settings or ServeSettings()
    return planned(request, "m", known, forwards=False)


@pytest.mark.parametrize(
    ("suffix", "told"),
    [
        ("rsa-8-4-5", {}),
        ("rsa-8-4-5-stop0.875", {"stop": "share:0.875"}),
        ("rsa-8-4-5-stop1-copy", {"stop": "share:1", "copy": True}),
        ("rsa-8-4-5-copy-majority", {"copy": True, "answer": "majority"}),
    ],
)
def test_model_names(suffix: str, told: dict[str, Any]) -> None:
    import re

    assert suffix_of(f"m:{suffix}", "m") == {"method": "rsa", "n": 8, "k": 4, "t": 5} | told
    assert re.fullmatch(pattern("m"), f"m:{suffix}")


@pytest.mark.parametrize("suffix", ["rsa-8-4-5-copy-stop0.875", "rsa-8-4-5-stop", "rsa-8-4-5-vote", "rsa-8-4-5-stop2"])
def test_model_names_that_do_not_exist(suffix: str) -> None:
    with pytest.raises(APIError, match="does not exist"):
        suffix_of(f"m:{suffix}", "m")


def test_what_a_request_says_is_the_methods() -> None:
    found = plan({"n": 5, "k": 2, "t": 4, "stop": "share:0.8", "copy": True, "answer": "majority", **MATH})
    assert found.method == RSA(n=5, k=2, t=4, stop="share:0.8", copy=True)
    assert found.choice == "majority"


@pytest.mark.parametrize(
    ("rsa", "said"),
    [
        ({"stop": "share:0.875"}, "rsa.kind"),
        ({"copy": True}, "rsa.kind"),
        ({"stop": "often", **MATH}, "there is no rule"),
        ({"copy": "yes", **MATH}, "copy"),
    ],
)
def test_what_cannot_be_is_refused(rsa: dict[str, Any], said: str) -> None:
    with pytest.raises(APIError, match=said):
        plan(rsa)


def test_the_servers_own_settings_hold_where_answers_compare() -> None:
    settings = ServeSettings(n=8, t=5, stop="share:0.875", copy=True, answer="majority")
    compared, free = plan(MATH, settings=settings), plan(settings=settings)
    assert (compared.method, compared.choice) == (RSA(n=8, k=4, t=5, stop="share:0.875", copy=True), "majority")
    assert (free.method, free.choice) == (RSA(n=8, k=4, t=5), "sample")
    asked = plan({"stop": "never", "copy": False, "answer": "sample", **MATH}, settings=settings)
    assert (asked.method, asked.choice) == (RSA(n=8, k=4, t=5), "sample")


async def test_a_request_that_stops_tells_so() -> None:
    model = SimulatedModel(Simulation(p=1.0))
    deliberator = Deliberator(model, CallQueue(8), None)
    wanted = plan({"n": 4, "k": 2, "t": 5, "stop": "unanimous", "answer": "majority", **MATH})
    assert await deliberator.forecast(wanted) == [4] * 5
    outcome = await asyncio.wait_for(deliberator.run(wanted, "name"), 60)
    told = outcome.account
    assert (told["calls"], told["depth"], told["copies"], told["stopped"]) == (4, 1, 0, "unanimous")
    assert told["populations"] == [4, 0, 0, 0, 0]


async def test_a_request_that_copies_tells_so() -> None:
    deliberator = Deliberator(SimulatedModel(Simulation(p=1.0)), CallQueue(8), None)
    wanted = plan({"n": 3, "k": 3, "t": 3, "stop": "never", "copy": True, "answer": "majority", **MATH})
    outcome = await asyncio.wait_for(deliberator.run(wanted, "name"), 60)
    told = outcome.account
    assert (told["calls"], told["depth"], told["stopped"]) == (3, 3, None)
    assert told["copies"] == 6
