"""The deliberation on one request: what it needs, what happens in it, what it tells of itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from backends import connected
from openai_faults import FaultServer, fine, refuse

from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.run.call_queue import CallQueue
from selfagg.server.deliberation import (
    DeliberationResult,
    Deliberator,
    Ended,
    Event,
    MemberDone,
    Piece,
    finish_reason,
    further,
    logprobs,
    tokens,
    whole_piece,
)
from selfagg.server.errors import APIError
from selfagg.server.plan import DeliberationPlan, planned
from selfagg.server.settings import ServeSettings
from selfagg.types import Reply, Stop, Usage

MATH = {"kind": "math"}


def plan(
    rsa: dict[str, Any] | None = None, model: str = "m", settings: ServeSettings | None = None
) -> DeliberationPlan:
    body = {"model": model, "messages": [{"role": "user", "content": "What is 6 x 7?"}], "seed": 1}
    request, known = body | ({"rsa": rsa} if rsa else {}), settings or ServeSettings()
    return planned(request, "m", known, forwards=False)


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


@pytest.mark.parametrize(
    ("rsa", "needed"),
    [
        ({"n": 8, "k": 2, "t": 2}, [2, 1]),  # one member is the answer: its parents alone
        ({"n": 8, "k": 8, "t": 3}, [8, 8, 1]),
        (
            {"n": 8, "k": 2, "t": 2, "answer": "majority", "stop": "never", "copy": False, **MATH},
            [7, 8],
        ),  # no set has the eighth
        ({"n": 4, "k": 2, "t": 3, "stop": "unanimous", "answer": "sample", **MATH}, [4, 4, 1]),  # whole populations
        ({"method": "majority", "n": 5, **MATH}, [5]),
        ({"method": "self-refine", "n": 1, "t": 3}, [1, 1, 1]),
    ],
)
async def test_the_forecast_counts_what_the_answer_needs(rsa: dict[str, Any], needed: list[int]) -> None:
    deliberator = Deliberator(SimulatedModel(Simulation()), CallQueue(8), None)
    assert await deliberator.forecast(plan(rsa)) == needed


async def happened(deliberator: Deliberator, wanted: DeliberationPlan, **how: Any) -> list[Event]:
    return [event async for event in deliberator.events(wanted, "name", keep_alive_s=None, **how)]


@pytest.mark.parametrize("live", [False, True])
async def test_events_are_members_then_pieces_then_the_end_then_the_result(live: bool) -> None:
    async with FaultServer() as backend, connected(backend.url) as model:
        found = await happened(Deliberator(model, CallQueue(8), None), plan({"n": 2, "k": 2, "t": 2}), live=live)
    early = [event for event in found if isinstance(event, MemberDone) and not event.late]
    assert [event.line for event in early[:2]] == ["population 1: 1 of 2", "population 1: 2 of 2"]
    assert [[*event.needed] for event in early] == [[2, 1]] * len(early)
    pieces = [event for event in found if isinstance(event, Piece)]
    assert [piece.text for piece in pieces] == (["fo", "u", "r"] if live else ["four"])
    assert {piece.index for piece in pieces} == {0}
    *_, end, result = found
    assert end == Ended(0, "stop")
    assert isinstance(result, DeliberationResult)
    assert [reply.text for reply in result.replies] == ["four"]
    assert (result.account["calls"], result.account["chosen"][0][0]) == (3, 2)


async def test_a_member_that_fails_first_is_told_with_the_next_and_not_before() -> None:
    async with FaultServer(refuse(400, "no"), fine, fine) as backend, connected(backend.url) as model:
        found = await happened(Deliberator(model, CallQueue(1), None), plan({"n": 2, "k": 2, "t": 2}))
    lines = [event.line for event in found if isinstance(event, MemberDone) and not event.late]
    assert lines[:2] == ["population 1: 1 of 2", "population 1: 2 of 2 (one failed)"]


async def test_where_all_members_fail_no_event_comes_before_the_error() -> None:
    async with FaultServer(*[refuse(400, "no such thing")] * 9) as backend, connected(backend.url) as model:
        events = Deliberator(model, CallQueue(8), None).events(
            plan({"n": 2, "k": 2, "t": 2}), "name", keep_alive_s=None
        )
        with pytest.raises(APIError, match="no such thing") as error:
            await anext(events)
    assert error.value.status_code == 400


async def test_where_the_answer_takes_one_member_its_end_is_no_news() -> None:
    found = await happened(
        Deliberator(SimulatedModel(Simulation()), CallQueue(8), None), plan({"n": 1, "k": 1, "t": 1})
    )
    assert [event.late for event in found if isinstance(event, MemberDone)] == [True]


async def test_silence_is_told_of() -> None:
    deliberator = Deliberator(SimulatedModel(Simulation(tokens=100, cv=0, speed=500)), CallQueue(8), None)
    events = deliberator.events(plan({"n": 1, "k": 1, "t": 1}), "name", keep_alive_s=0.02)
    assert await anext(events) is None
    await events.aclose()


def test_tokens_stand_as_chat_completions_has_them() -> None:
    assert tokens(Usage(prompt=10, cached=4, completion=5, reasoning=3, unknown=9)) == {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }


CALLS = [{"id": "a", "function": {"name": "f", "arguments": "{}"}}, "no call", {"id": "b"}]


@pytest.mark.parametrize(
    ("reply", "piece"),
    [
        (Reply("four", reasoning="2+2"), Piece(0, "four", "2+2", {}, None)),
        (
            Reply("", choice={"message": {"role": "assistant", "content": None, "tool_calls": CALLS}}),
            Piece(0, "", "", {"tool_calls": [{**CALLS[0], "index": 0}, {"id": "b", "index": 1}]}, None),  # type: ignore[dict-item]
        ),
        (Reply("no", choice={"message": {"refusal": "no"}}), Piece(0, "", "", {"refusal": "no"}, None)),
        (Reply("a", choice={"logprobs": {"content": [1]}}), Piece(0, "a", "", {}, {"content": [1]})),
    ],
)
def test_a_whole_reply_is_one_piece(reply: Reply, piece: Piece) -> None:
    assert whole_piece(0, reply) == piece


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("a", stop=Stop.FINISHED), "stop"),
        (Reply("a", stop=Stop.UNKNOWN), "stop"),
        (Reply("a", stop=Stop.LENGTH), "length"),
        (Reply("a", stop=Stop.FILTERED), "content_filter"),
        (Reply("a", stop=Stop.LENGTH, choice={"finish_reason": "tool_calls"}), "tool_calls"),
        (Reply("a", stop=Stop.LENGTH, choice={"finish_reason": None}), "length"),
    ],
)
def test_the_end_of_an_answer_is_its_servers_word_or_ours(reply: Reply, reason: str) -> None:
    assert finish_reason(reply) == reason


def test_what_is_further_in_a_message_is_neither_text_nor_empty() -> None:
    message = {"role": "assistant", "content": "a", "reasoning": "b", "reasoning_content": "c", "annotations": [1]}
    assert further(message | {"refusal": None, "audio": {}}) == {"annotations": [1]}


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (None, None),
        ({}, None),
        ({"logprobs": None}, None),
        ({"logprobs": {"content": None, "refusal": []}}, None),
        ({"logprobs": [1]}, None),
        ({"logprobs": {"content": [1], "refusal": None}}, {"content": [1], "refusal": None}),
    ],
)
def test_log_probabilities_are_told_where_there_are_any(choice: dict[str, Any] | None, told: object) -> None:
    assert logprobs(choice) == told
