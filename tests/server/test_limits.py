"""Who comes in, how much, and whose turn it is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from serving import Served, serving
from waiting import until

from selfagg.errors import UsageError
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.server.settings import ServerLimits, ServeSettings, check_address, read_keys

BODY = {"model": "simulated:", "messages": [{"role": "user", "content": "what?"}]}


async def post(served: Served, headers: dict[str, str] | None = None, **fields: Any) -> tuple[int, Any, Any]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session,
        session.post(f"{served.url}/v1/chat/completions", json=BODY | fields, headers=headers) as answer,
    ):
        return answer.status, await answer.json(), answer.headers


async def test_one_of_the_keys_is_needed_where_there_are_any() -> None:
    settings = ServeSettings(keys=("first", "second"))
    async with serving(SimulatedModel(Simulation()), settings) as served, aiohttp.ClientSession() as session:
        for key, status in (
            ("", 401),
            ("Bearer wrong", 401),
            ("Bearer first", 200),
            ("bearer second", 200),
            ("first", 401),
        ):
            got, body, _ = await post(served, {"Authorization": key} if key else {})
            assert got == status
            if status == 401:
                assert body["error"]["code"] == "invalid_api_key"
                assert body["error"]["type"] == "authentication_error"
        for path, status in (("/v1/models", 401), ("/metrics", 401), ("/health", 200), ("/", 200)):
            async with session.get(served.url + path) as answer:
                assert answer.status == status
    assert "first" not in repr(settings)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Host": "example.org:8080"}, 403),
        ({"Host": "["}, 403),
        ({"Host": "[::1]evil.com"}, 403),
        ({"Host": "127.0.0.1.example.org"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "http://example.org"}, 403),
        ({"Origin": "http://localhost@example.org"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Host": "localhost:8080"}, 200),
        ({"Host": "[::1]:8080"}, 200),
    ],
)
async def test_without_keys_no_page_of_another_site_gets_in(headers: dict[str, str], status: int) -> None:
    async with serving(SimulatedModel(Simulation())) as served:
        assert (await post(served, headers, rsa=False))[0] == status
    async with serving(SimulatedModel(Simulation()), ServeSettings(keys=("key",))) as served:
        assert (await post(served, headers | {"Authorization": "Bearer key"}, rsa=False))[0] == 200


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large_is_not_read(chunked: bool) -> None:
    async def pieces() -> Any:
        for _ in range(100):
            yield b"x" * 1000

    settings = ServeSettings(limits=ServerLimits(body_bytes=10_000))
    async with serving(SimulatedModel(Simulation()), settings) as served, aiohttp.ClientSession() as session:
        data = pieces() if chunked else b"x" * 100_000
        async with session.post(f"{served.url}/v1/chat/completions", data=data) as answer:
            assert answer.status == 413
            assert (await answer.json())["error"]["code"] == "request_too_large"
        assert (await post(served))[0] == 200


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
        large = asyncio.create_task(post(served, rsa={"n": 32, "k": 2, "t": 4, "answer": "majority"}))
        await until(lambda: served.service.call_queue.waiting >= 10, 5)
        small = [post(served, rsa=False) for _ in range(4)]
        assert all(status == 200 for status, _, _ in await asyncio.gather(*small))
        assert not large.done()
        status, body, _ = await large
    assert status == 200
    assert body["usage"]["selfagg"]["calls"] > 60


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


@pytest.mark.parametrize(
    ("host", "fine"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_another_address_than_this_machines_own_needs_a_key(host: str, fine: bool) -> None:
    check_address(host, ServeSettings(keys=("key",)))
    if fine:
        check_address(host, ServeSettings())
    else:
        with pytest.raises(UsageError, match="--client-keys"):
            check_address(host, ServeSettings())


def test_keys_come_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "keys"
    file.write_text("# ours\nfirst\n\n second \n")
    assert read_keys(file) == ("first", "second")
    monkeypatch.setenv("SELFAGG_API_KEYS", "a, b,")
    assert read_keys(None) == ("a", "b")
    file.write_text("\n")
    with pytest.raises(UsageError, match="holds none"):
        read_keys(file)
    file.write_text("good\nsécond\n")
    with pytest.raises(UsageError, match="key 2 holds characters"):
        read_keys(file)
    with pytest.raises(UsageError, match="cannot read"):
        read_keys(tmp_path / "missing")


async def test_log_probabilities_are_refused_where_there_are_none_to_hand_out() -> None:
    async with serving(SimulatedModel(Simulation())) as served:
        status, body, _ = await post(served, logprobs=True)
    assert (status, body["error"]["param"]) == (400, "logprobs")
