"""Names that clients use: the model's own, with a suffix, and those of routes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from backends import connected
from openai import AsyncOpenAI, NotFoundError
from openai_faults import FaultServer
from serving import serving

from selfagg.errors import UsageError
from selfagg.server.errors import APIError
from selfagg.server.plan import check_routes, listed, pattern, suffix_of
from selfagg.server.settings import ServeSettings

ROUTES = {
    "gpt-4o": "rsa-8-4-5",
    "claude-*haiku*": "plain",
    "claude-*": "rsa-4-2-2-majority",
    "a/b:c": "majority",
    "any": "default",
    "m": "plain",
}
PLAIN = {"method": "single"}
CASES = [
    ("gpt-4o", {"method": "rsa", "n": 8, "k": 4, "t": 5}),
    ("claude-haiku-4-5-20251001", PLAIN),
    ("claude-opus-4-1", {"method": "rsa", "n": 4, "k": 2, "t": 2, "answer": "majority"}),
    ("a/b:c", {"method": "majority"}),
    ("any", {}),
    ("m", PLAIN),  # the model's own name too
    ("openai:m", {}),
    ("m:rsa-3-2-2", {"method": "rsa", "n": 3, "k": 2, "t": 2}),
    ("gpt-4o:single", PLAIN),  # a suffix goes before a route
    ("claude-opus-4-1:rsa-3-2-2", {"method": "rsa", "n": 3, "k": 2, "t": 2}),
]


@pytest.mark.parametrize(("name", "told"), CASES)
def test_a_name_says_how_it_is_answered(name: str, told: object) -> None:
    assert suffix_of(name, "m", ROUTES) == told
    assert re.fullmatch(pattern("m", ROUTES), name)


@pytest.mark.parametrize("name", ["gpt-4", "gpt-4o-mini", "xgpt-4o", "Claude-opus", "gpt-4o:rsa-8", "", "any:default"])
def test_a_name_without_a_route_is_not_served(name: str) -> None:
    with pytest.raises(APIError) as error:
        suffix_of(name, "m", ROUTES)
    assert error.value.status_code == 404
    assert not re.fullmatch(pattern("m", ROUTES), name)


def test_the_first_pattern_that_fits_decides() -> None:
    assert suffix_of("claude-haiku", "m", {"claude-*": "majority", "claude-*haiku*": "plain"}) == {"method": "majority"}
    assert suffix_of("claude-haiku", "m", {"claude-*": "majority", "claude-haiku": "plain"}) == PLAIN  # the very name


def test_names_without_stars_are_listed_once() -> None:
    names = listed("m", ServeSettings(routes=ROUTES))
    assert names == ["m", "m:rsa-8-4-5", "m:single", "gpt-4o", "a/b:c", "any"]


@pytest.mark.parametrize("target", ["", "rsa", "rsa-8", "plian", "rsa-8-4-5-copied"])
def test_a_route_that_leads_nowhere_is_named(target: str) -> None:
    if target == "rsa":  # with the server's sizes
        check_routes({"x": target})
        return
    with pytest.raises(UsageError, match=f"--route x={target}: there is no '{target}'"):
        check_routes({"x": target})


TOOL: Any = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
AGENT: Any = {"messages": [{"role": "user", "content": "2+2?"}], "tools": [TOOL]}


async def test_an_agent_gets_rsa_for_its_question_and_a_plain_call_for_its_title() -> None:
    settings = ServeSettings(n=2, k=1, t=2, routes={"gpt-4o-mini": "plain", "gpt-4o*": "rsa-3-2-2"}, plain_tokens=20)
    async with (
        FaultServer() as backend,
        serving(connected(backend.url), settings) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as asking,
    ):

        async def calls(model: str, **more: Any) -> int:
            before = len(backend.bodies)
            told = await asking.chat.completions.create(model=model, **{"messages": AGENT["messages"], **more})
            assert told.choices[0].message.content == "four"
            assert {body["model"] for body in backend.bodies} == {"fake"}
            return len(backend.bodies) - before

        assert await calls("gpt-4o-mini") == 1
        assert await calls("gpt-4o-mini", **AGENT) == 1
        assert await calls("gpt-4o-2024-11-20") == 3  # one member of the last population, and its two parents
        assert await calls("gpt-4o-2024-11-20", **AGENT) == 3
        assert await calls("gpt-4o", max_completion_tokens=10) == 3  # its name says so
        assert await calls("gpt-4o", extra_body={"rsa": False}) == 1
        assert await calls("fake") == 2  # the server's default
        assert await calls("fake", **AGENT) == 1
        assert await calls("fake", max_tokens=20) == await calls("fake", max_completion_tokens=20) == 1
        assert await calls("fake", max_tokens=21) == 2
        assert await calls("fake", max_tokens=20, extra_body={"rsa": True}) == 2
        await asking.responses.create(model="gpt-4o-mini", input="a title, please")
        names = [model.id async for model in asking.models.list()]
        assert "gpt-4o-mini" in names
        assert (await asking.models.retrieve("gpt-4o-2024-11-20")).id == "gpt-4o-2024-11-20"
        with pytest.raises(NotFoundError):
            await calls("gpt-5")
