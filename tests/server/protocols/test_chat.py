"""Deliberated answers through the official client: what is computed, what is counted, what is refused."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI
from serving import serving
from waiting import DEADLINES_S

import selfagg
from selfagg.html_report.build import build_report
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.record import Record
from selfagg.server.settings import ServerLimits, ServeSettings

NAME = "simulated:"
ASKED: Any = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "what?"}]


@asynccontextmanager
async def client(settings: ServeSettings | None = None, **simulation: Any) -> AsyncIterator[AsyncOpenAI]:
    async with (
        serving(SimulatedModel(Simulation(**simulation)), settings) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as asking,
    ):
        yield asking


async def ask(asking: AsyncOpenAI, rsa: object = None, model: str = NAME, **fields: Any) -> Any:
    body = {} if rsa is None else {"rsa": rsa}
    return await asking.chat.completions.create(model=model, messages=ASKED, extra_body=body, **fields)


async def test_only_the_ancestors_of_the_answer_are_computed_and_all_of_them_are_counted() -> None:
    async with client() as asking:
        reply = await ask(asking, {"n": 16, "k": 4, "t": 3}, seed=7)
    told = reply.usage.selfagg
    expected = await selfagg.asolve("what?", model="simulated:", n=16, k=4, t=3, seed=7)
    assert told["populations"] == [len(population) for population in expected.populations]
    assert told["calls"] == expected.calls < 48
    assert reply.choices[0].message.content == expected.text
    assert expected.member.reply
    assert reply.usage.completion_tokens == expected.member.reply.usage.completion
    assert reply.usage.prompt_tokens == await SimulatedModel(Simulation()).count_tokens(ASKED)
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert told["completion_tokens"] == expected.usage.completion
    assert told["completion_tokens"] > reply.usage.completion_tokens
    assert reply.usage.completion_tokens_details.deliberation_tokens == told["completion_tokens"]
    assert reply.choices[0].finish_reason == "stop"
    assert told["cut_short"] is False


async def test_the_servers_defaults_the_names_suffix_and_the_body_in_rising_order() -> None:
    async with client(ServeSettings(n=6, k=2, t=2)) as asking:
        plain, suffix = await ask(asking), await ask(asking, model=f"{NAME}:rsa-5-3-4")
        both = await ask(asking, {"t": 1}, model=f"{NAME}:rsa-5-3-4")
        switched, other = await ask(asking, True), await ask(asking, {"method": "majority"})
        by_name = await ask(asking, model=f"{NAME}:single")
    told = [reply.usage.selfagg["method"] for reply in (plain, suffix, both, switched)]
    assert [(one["n"], one["k"], one["t"]) for one in told] == [(6, 2, 2), (5, 3, 4), (5, 3, 1), (6, 2, 2)]
    assert other.usage.selfagg["method"] == {"name": "majority", "n": 6, "t": 1}
    assert by_name.usage.selfagg["calls"] == 1


async def test_false_is_one_plain_call() -> None:
    async with client() as asking:
        reply = await ask(asking, False, n=3)
    assert reply.usage.selfagg["calls"] == len(reply.choices) == 3


async def test_a_small_population_makes_the_sets_smaller_too() -> None:
    async with client() as asking:
        reply = await ask(asking, {"n": 2})
    assert reply.usage.selfagg["method"]["k"] == 2


async def test_a_seed_gives_the_same_answer_again_and_none_another_plan() -> None:
    async with client(wrong=1000) as asking:
        first, again = await ask(asking, seed=3), await ask(asking, seed=3)
        others = {(await ask(asking)).usage.selfagg["seed"] for _ in range(3)}
    assert first.choices == again.choices
    assert first.usage == again.usage
    assert len(others) == 3


async def test_n_gives_members_of_the_last_population_and_a_majority_its_winner_first() -> None:
    async with client(wrong=2) as asking:
        drawn = await ask(asking, {"n": 8, "t": 2}, n=3)
        voted = await ask(asking, {"n": 8, "t": 2, "answer": "majority", "kind": "math"}, n=8)
    assert [choice.index for choice in drawn.choices] == [0, 1, 2]
    assert drawn.usage.selfagg["populations"][-1] == 3
    assert voted.usage.selfagg["populations"] == [8, 8]
    texts = [choice.message.content for choice in voted.choices]
    assert texts.count(texts[0]) == max(map(texts.count, texts))


async def test_a_spent_budget_and_a_deadline_give_the_best_at_hand_and_say_so() -> None:
    async with client(tokens=100, cv=0, slots=1, speed=1500) as asking:
        spent = await ask(asking, {"n": 8, "t": 10, "max_total_tokens": 800})
        for deadline_s in DEADLINES_S:
            with contextlib.suppress(openai.InternalServerError):
                late = await ask(asking, {"n": 8, "t": 30, "deadline_s": deadline_s})
                break
        with pytest.raises(openai.InternalServerError) as nothing:
            await ask(asking, {"deadline_s": 0.01})
    for reply in (spent, late):
        assert reply.usage.selfagg["cut_short"] is True
        assert reply.choices[0].message.content
        assert 0 < reply.usage.selfagg["calls"] < 200
    assert "deadline" in str(nothing.value)


async def test_tokens_that_the_backend_does_not_tell_are_estimated_and_said_to_be() -> None:
    async with client(untold=1) as asking:
        silent = await ask(asking, {"n": 4, "k": 2, "t": 3}, seed=1)
        spent = await ask(asking, {"n": 4, "k": 2, "t": 6, "max_total_tokens": 200}, seed=1)
        stream = await ask(asking, {"n": 2, "k": 1, "t": 2}, stream=True, stream_options={"include_usage": True})
        streamed = [chunk async for chunk in stream][-1].usage
        url = str(asking.base_url).removesuffix("/v1/")
        async with aiohttp.ClientSession(url) as session, session.get("/metrics") as metrics:
            lines = (await metrics.text()).splitlines()
    own = silent.usage.selfagg
    assert own["calls_without_usage"] == own["calls"] > 2
    assert silent.usage.total_tokens == silent.usage.prompt_tokens + silent.usage.completion_tokens > 2
    assert own["total_tokens"] > silent.usage.total_tokens
    assert spent.usage.selfagg["cut_short"] is True
    assert streamed.selfagg["calls_without_usage"] == streamed.selfagg["calls"]
    assert not any(line.startswith("selfagg_calls_without_usage_total 0") for line in lines)
    async with client() as asking:
        assert (await ask(asking)).usage.selfagg["calls_without_usage"] == 0


async def test_what_failed_is_left_out_and_where_all_fails_the_client_hears_why() -> None:
    async with client(fail=0.3) as asking:
        replies = [await ask(asking, {"n": 4, "k": 2, "t": 2}, seed=seed) for seed in range(10)]
    assert all(reply.choices[0].message.content for reply in replies)
    async with client(fail=1) as asking:
        with pytest.raises(openai.InternalServerError) as refusal:
            await ask(asking)
    assert refusal.value.status_code == 502
    assert "simulated failure" in str(refusal.value)


async def test_a_length_limit_is_each_calls_own_and_its_reason_is_told() -> None:
    async with client(tokens=50, cv=0) as asking:
        reply = await ask(asking, {"n": 2, "k": 1, "t": 2}, max_completion_tokens=10)
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens == 10
    assert reply.usage.selfagg["completion_tokens"] == 10 * reply.usage.selfagg["calls"]


REFUSED: list[tuple[dict[str, Any], int, str, str]] = [
    ({"rsa": {"n": 0}}, 400, "rsa.n", "greater than"),
    ({"rsa": {"n": 65}}, 400, "rsa.n", "at most 64"),
    ({"rsa": {"t": 1000}}, 400, "rsa.t", "at most 32"),
    ({"rsa": {"n": 2, "k": 3}}, 400, "rsa", "k = 3"),
    ({"rsa": {"depth": 3}}, 400, "rsa.depth", "not permitted"),
    ({"rsa": {"method": "rsaa"}}, 400, "rsa.method", "no method"),
    ({"rsa": {"candidate": "half"}}, 400, "rsa.candidate", "candidate view"),
    ({"rsa": {"deadline_s": -1}}, 400, "rsa.deadline_s", "greater than"),
    ({"n": 9}, 400, "n", "population of 8"),
    ({"model": "gpt-5"}, 404, "model", "does not exist"),
    ({"model": f"{NAME}:rsa-8"}, 404, "model", "does not exist"),
    ({"messages": []}, 400, "messages", "at least 1"),
    ({"messages": [{"role": "system", "content": "x"}]}, 400, "messages", "user turn"),
    ({"messages": "hi"}, 400, "messages", "valid list"),
    ({"temperature": "hot"}, 400, "temperature", "number"),
    ({"audio": {"voice": "x"}}, 400, "audio", "text"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}], "rsa": True}, 400, "tools", "no such setting"),
    ({"response_format": {"type": "json_object"}}, 400, "response_format", "no such setting"),
]


async def test_what_cannot_be_is_refused_in_the_apis_own_form() -> None:
    async with serving(SimulatedModel(Simulation())) as served, aiohttp.ClientSession() as session:
        for fields, status, param, said in REFUSED:
            body = {"model": NAME, "messages": ASKED} | fields
            async with session.post(f"{served.url}/v1/chat/completions", json=body) as answer:
                told = (await answer.json())["error"]
            assert (answer.status, told["param"], told["type"]) == (status, param, "invalid_request_error"), fields
            assert said in told["message"]


async def test_fields_that_are_null_or_ask_for_what_is_anyway_are_no_matter() -> None:
    async with client() as asking:
        reply = await ask(asking, stop=None, response_format={"type": "text"}, store=False, modalities=["text"])
    assert reply.choices[0].message.content


async def test_fields_without_effect_are_named_in_a_header() -> None:
    async with client() as asking:
        fields = {"frobnicate": 1, "bad\nname": 2, "audio": None}
        told = await asking.chat.completions.with_raw_response.create(
            model=NAME, messages=ASKED, user="ann", frequency_penalty=0, store=True, extra_body=fields
        )
        without = await asking.chat.completions.with_raw_response.create(model=NAME, messages=ASKED)
    assert set(told.headers["X-Selfagg-Ignored"].split(", ")) == {"user", "store", "frobnicate", "bad?name"}
    assert "X-Selfagg-Ignored" not in without.headers
    assert "X-Selfagg-Warning" not in without.headers
    answer: Any = told.parse()
    spent = answer.usage.selfagg
    assert told.headers["X-Selfagg-Spent"].startswith(f"calls={spent['calls']}, prompt_tokens={spent['prompt_tokens']}")


async def test_a_temperature_of_0_is_warned_of_where_it_makes_copies() -> None:
    async with client() as asking:
        create = asking.chat.completions.with_raw_response.create
        copies = await create(model=NAME, messages=ASKED, temperature=0)
        single = await create(model=f"{NAME}:single", messages=ASKED, temperature=0)
    assert "the same" in copies.headers["X-Selfagg-Warning"]
    assert "X-Selfagg-Warning" not in single.headers


async def test_a_body_is_json_whatever_its_header_says() -> None:
    async with serving(SimulatedModel(Simulation())) as served, aiohttp.ClientSession() as session:
        address = f"{served.url}/v1/chat/completions"
        body = b'{"model": "simulated:", "messages": [{"role": "user", "content": "hi"}]}'
        curl = {"Content-Type": "application/x-www-form-urlencoded"}
        async with session.post(address, data=body, headers=curl) as answer:
            assert answer.status == 200
        for broken in (b"", b"{", b"[]", b'{"model": NaN}', b"[" * 100_000, b"\xff\xfe", b'"x"'):
            async with session.post(address, data=broken) as answer:
                assert answer.status == 400
                assert (await answer.json())["error"]["type"] == "invalid_request_error"


async def test_requests_become_questions_of_a_record_that_is_gone_on_with(tmp_path: Path) -> None:
    settings = ServeSettings(n=3, k=2, t=2, record=tmp_path / "served.sqlite", limits=ServerLimits(n=8))
    names = []
    for _ in range(2):
        async with client(settings) as asking:
            names += [(await ask(asking)).usage.selfagg["record"] for _ in range(2)]
    with Record(settings.record, read_only=True) as record:
        questions = list(record.questions())
        assert [question.id for question in questions] == names
        assert questions[0].context == (ASKED[0],)
        for position in range(4):
            assert len(record.members(position)) >= 3
    build_report([tmp_path / "served.sqlite"], tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_record_that_cannot_be_written_is_the_servers_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    async def full(self: Record, generation: object) -> None:
        raise selfagg.UsageError("cannot write record served.sqlite: the disk is full")

    async with client(ServeSettings(record=tmp_path / "served.sqlite")) as asking:
        monkeypatch.setattr(Record, "save", full)
        with pytest.raises(openai.InternalServerError) as refusal:
            await ask(asking, stream=streamed)
        monkeypatch.undo()
        assert (await ask(asking)).choices
    assert refusal.value.code == "record_error"
    assert "sqlite" not in str(refusal.value)


async def test_a_question_that_does_not_fit_is_refused_as_the_api_does() -> None:
    async with client(context=100) as asking:
        for streamed in (False, True):
            with pytest.raises(openai.BadRequestError) as refusal:
                await asking.chat.completions.create(
                    model=NAME, messages=[{"role": "user", "content": "x" * 1000}], stream=streamed
                )
            assert refusal.value.code == "context_length_exceeded"
