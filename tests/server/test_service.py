"""One request from end to end: who comes in, whose turn it is, what is told in headers and in the log."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import aiohttp
import pytest
from backends import connected
from openai_faults import FaultServer, refuse
from serving import Served, serving
from starlette.requests import Request
from starlette.types import Message
from waiting import until

from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.server.errors import APIError
from selfagg.server.protocols.chat import ChatApi
from selfagg.server.protocols.completions import CompletionsApi
from selfagg.server.service import Exchange, Service
from selfagg.server.settings import ServerLimits, ServeSettings

BODY = {"model": "simulated:", "messages": [{"role": "user", "content": "what?"}]}


async def post(served: Served, headers: dict[str, str] | None = None, **fields: Any) -> tuple[int, Any, Any]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session,
        session.post(f"{served.url}/v1/chat/completions", json=BODY | fields, headers=headers) as answer,
    ):
        return answer.status, await answer.json(), answer.headers


async def test_past_the_bound_clients_are_asked_to_come_back() -> None:
    settings = ServeSettings(limits=ServerLimits(open_requests=3))
    async with serving(SimulatedModel(Simulation(speed=400, tokens=100, cv=0)), settings) as served:
        answers = await asyncio.gather(*(post(served, rsa=False) for _ in range(10)))
        assert sorted(status for status, _, _ in answers) == [200] * 3 + [429] * 7
        refused = next((body, headers) for status, body, headers in answers if status == 429)
        assert refused[0]["error"]["type"] == "rate_limit_error"
        assert int(refused[1]["Retry-After"]) >= 1
        assert (await post(served, rsa=False))[0] == 200


async def test_a_small_request_does_not_wait_for_a_large_one() -> None:
    async with serving(SimulatedModel(Simulation(speed=2000, tokens=100, cv=0)), concurrency=2) as served:
        large = asyncio.create_task(post(served, rsa={"n": 32, "k": 2, "t": 2, "answer": "majority"}))
        await until(lambda: served.service.call_queue.waiting >= 10, 5)
        small = [post(served, rsa=False) for _ in range(4)]
        assert all(status == 200 for status, _, _ in await asyncio.gather(*small))
        assert not large.done()
        status, body, _ = await large
    assert status == 200
    assert body["usage"]["selfagg"]["calls"] > 40


async def test_never_more_calls_in_flight_than_the_bound() -> None:
    class Counting(SimulatedModel):
        now = most = 0

        async def sample(self, request: Any) -> Any:
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                return await super().sample(request)
            finally:
                self.now -= 1

    model = Counting(Simulation(speed=20_000, tokens=100))
    async with serving(model, concurrency=5) as served:
        answers = await asyncio.gather(
            *(post(served, rsa={"n": 4, "k": 2, "t": 2, "answer": "majority"}) for _ in range(20))
        )
    assert all(status == 200 for status, _, _ in answers)
    assert model.most == 5


async def test_log_probabilities_are_refused_where_there_are_none_to_hand_out() -> None:
    async with serving(SimulatedModel(Simulation())) as served:
        status, body, _ = await post(served, logprobs=True)
    assert (status, body["error"]["param"]) == (400, "logprobs")


async def test_there_are_so_many_places_and_each_is_given_back() -> None:
    settings = ServeSettings(limits=ServerLimits(open_requests=2))
    async with Service(SimulatedModel(Simulation()), settings, None) as service:
        with service.place(), service.place():
            assert service.open_requests == 2
            with pytest.raises(APIError, match="2 requests are open") as refusal, service.place():
                pass
        assert service.open_requests == 0
    assert (refusal.value.status_code, refusal.value.code) == (429, "queue_full")


def request(body: object) -> Request:
    """A request whose client waits for its answer."""
    sent: list[Message] = [{"type": "http.request", "body": json.dumps(body).encode()}]

    async def receive() -> Message:
        return sent.pop() if sent else await asyncio.get_running_loop().create_future()

    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "query_string": b"", "headers": []}
    return Request(scope | {"state": {"told": {}}}, receive)


async def test_a_digest_decides_the_id_and_the_seed_and_a_given_seed_goes_before_it() -> None:
    async with Service(SimulatedModel(Simulation()), ServeSettings(n=2, k=2, t=1), None) as service:
        for api, fields in ((ChatApi, {}), (ChatApi, {"seed": 5}), (CompletionsApi, {"prompt": "what?"})):
            response = await Exchange(service, request(BODY | fields), api, "ab" * 24).answer()
            told = json.loads(bytes(response.body))
            assert told["id"] == api.prefix + "ab" * 24
            assert told["usage"]["selfagg"]["seed"] == fields.get("seed", 0xABABABA)


async def test_the_log_line_tells_of_a_request_without_its_texts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "selfagg.server")
    async with serving(SimulatedModel(Simulation())) as served:
        _, body, _ = await post(served, rsa={"n": 2, "k": 2, "t": 2})
        await post(served, rsa={"n": 0})
    deliberated, refused = (json.loads(record.getMessage()) for record in caplog.records)
    known = {name: deliberated[name] for name in ("verb", "path", "status", "kind", "model", "id", "method", "n", "t")}
    assert known == {
        **{"verb": "POST", "path": "/v1/chat/completions", "status": 200, "kind": "deliberation"},
        **{"model": "simulated:", "id": body["id"], "method": "rsa", "n": 2, "t": 2},
    }
    spent = body["usage"]["selfagg"]
    assert (deliberated["calls"], deliberated["prompt"], deliberated["completion"], deliberated["cut_short"]) == (
        *(3, spent["prompt_tokens"], spent["completion_tokens"], False),
    )
    assert (refused["status"], refused["kind"]) == (400, "other")
    assert "what?" not in caplog.text


async def test_what_was_spent_and_what_is_ignored_stand_in_headers() -> None:
    async with serving(SimulatedModel(Simulation())) as served:
        odd = {f"odd{number}\r\nX-Evil: é": 1 for number in range(100)}
        _, body, headers = await post(served, None, rsa={"n": 2, "k": 2, "t": 2}, plain_name=1, **odd)
    spent = body["usage"]["selfagg"]
    told = f"calls=3, prompt_tokens={spent['prompt_tokens']}, completion_tokens={spent['completion_tokens']}"
    assert headers["X-Selfagg-Spent"] == told
    assert headers["X-Selfagg-Ignored"].startswith("plain_name, odd0??X-Evil? ?, odd1??X-Evil? ?, ")
    assert len(headers["X-Selfagg-Ignored"]) == 1000
    assert "X-Evil" not in headers


async def test_a_plain_call_of_another_api_falls_back_to_chat_completions_and_one_of_chat_does_not() -> None:
    async with FaultServer() as backend, serving(connected(backend.url)) as served, aiohttp.ClientSession() as session:
        body = {"model": "fake", "input": "2+2?", "rsa": False}
        async with session.post(f"{served.url}/v1/responses", json=body) as answer:
            assert (await answer.json())["output"][0]["content"][0]["text"] == "four"
        assert len(backend.bodies) == 1
        backend.script.append(refuse(404, "no such route"))
        async with session.post(
            f"{served.url}/v1/chat/completions", json=BODY | {"model": "fake", "rsa": False}
        ) as got:
            assert (got.status, (await got.json())["error"]["message"]) == (404, "no such route")
