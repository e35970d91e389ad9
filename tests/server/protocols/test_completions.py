"""Completions through the official client: a prompt is a question, and only text comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import openai
import pytest
from backends import connected
from openai import AsyncOpenAI
from openai_faults import FaultServer, send
from serving import serving

from selfagg.models.simulated import SimulatedModel, Simulation

NAME = "simulated:"
SMALL: Any = {"rsa": {"n": 2, "k": 2, "t": 2}}


@asynccontextmanager
async def client(**simulation: Any) -> AsyncIterator[AsyncOpenAI]:
    async with (
        serving(SimulatedModel(Simulation(**simulation))) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as asking,
    ):
        yield asking


async def test_a_prompt_is_answered() -> None:
    async with client() as asking:
        told: Any = await asking.completions.create(model=NAME, prompt="what?", max_tokens=4000, extra_body=SMALL)
    assert told.object == "text_completion"
    (choice,) = told.choices
    assert (choice.text[:15], choice.finish_reason) == ("Simulated reply", "stop")
    assert told.usage.completion_tokens < told.usage.selfagg["completion_tokens"]


async def test_several_prompts_are_answered_in_their_order() -> None:
    async with (
        FaultServer() as backend,
        serving(connected(backend.url)) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none") as asking,
    ):
        told: Any = await asking.completions.create(model="fake", prompt=["a?", "b?"], n=2, extra_body=SMALL)
    assert [choice.index for choice in told.choices] == [0, 1, 2, 3]
    assert {choice.text for choice in told.choices} == {"four"}
    assert len(told.usage.selfagg) == 2
    assert (told.usage.prompt_tokens, told.usage.completion_tokens) == (22, 12)
    assert {body["messages"][0]["content"][:2] for body in backend.bodies[:2]} <= {"a?", "b?"}


async def test_a_stream_is_what_the_whole_answer_says() -> None:
    async with client() as asking:
        fields: Any = {"model": NAME, "prompt": "what?", "seed": 3, "extra_body": SMALL}
        whole = await asking.completions.create(**fields)
        reading = await asking.completions.create(**fields, stream=True, stream_options={"include_usage": True})
        chunks = [chunk async for chunk in reading]
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage == whole.usage


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"prompt": None}, "prompt", "valid"),
    ({"prompt": []}, "prompt", "0 prompts"),
    ({"prompt": [1, 2]}, "prompt", "tokens"),
    ({"prompt": ["a", "b"], "stream": True}, "prompt", "one prompt"),
    ({"echo": True}, "echo", "plain call"),
    ({"suffix": "x"}, "suffix", "plain call"),
    ({"logprobs": 2}, "logprobs", "chat completions"),
    ({"best_of": 4}, "best_of", "rsa"),
    ({"max_tokens": 0}, "max_tokens", "greater"),
]


async def test_what_cannot_be_is_refused() -> None:
    async with serving(SimulatedModel(Simulation())) as served, aiohttp.ClientSession() as session:
        for fields, param, said in REFUSED:
            body = {"model": NAME, "prompt": "what?"} | fields
            async with session.post(f"{served.url}/v1/completions", json=body) as answer:
                told = (await answer.json())["error"]
            assert (answer.status, told["param"]) == (400, param), fields
            assert said in told["message"]
    async with client(fail=1) as asking:
        with pytest.raises(openai.InternalServerError, match="simulated failure"):
            await asking.completions.create(model=NAME, prompt="what?", stream=True)


async def test_a_plain_call_is_the_backends_own_with_all_that_only_it_knows() -> None:
    answer = {"object": "text_completion", "choices": [{"text": "b", "logprobs": {"tokens": ["b"]}, "index": 0}]}
    seen: list[Any] = []

    async def completions(request: Any, body: Any) -> Any:
        seen.append(body)
        return await send(answer)(request, body)

    async with FaultServer() as backend, serving(connected(backend.url)) as served:
        backend.other["/v1/completions"] = completions
        async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none") as asking:
            told = await asking.completions.create(
                model="fake", prompt=[1, 2], echo=True, logprobs=1, extra_body={"rsa": False}
            )
    assert told.choices[0].text == "b"
    assert seen == [{"model": "fake", "prompt": [1, 2], "echo": True, "logprobs": 1}]
