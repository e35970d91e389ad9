"""What a request asks for, as it is worked out before the first call."""

from __future__ import annotations

import re
from typing import Any

import pytest
from backends import connected
from openai import AsyncOpenAI, NotFoundError
from openai_faults import FaultServer
from serving import serving

from selfagg.errors import UsageError
from selfagg.methods import RSA, BestOfN, Majority, SelfRefine, Single
from selfagg.server.errors import APIError
from selfagg.server.plan import DeliberationPlan, asked_for, check_routes, listed, pattern, planned, suffix_of
from selfagg.server.settings import ServerLimits, ServeSettings

ASKED = [{"role": "user", "content": "Why?"}]
TOOLS = [{"type": "function", "function": {"name": "add"}}]
DEFAULT = ServeSettings()


def plan(settings: ServeSettings = DEFAULT, *, forwards: bool = True, **body: Any) -> DeliberationPlan | None:
    request = {"model": "m", "messages": ASKED} | body
    asked = asked_for(request, "m", settings)
    return None if asked.plain and forwards else planned(request, "m", settings, forwards=forwards)


def deliberated(settings: ServeSettings = DEFAULT, *, forwards: bool = True, **body: Any) -> DeliberationPlan:
    found = plan(settings, forwards=forwards, **body)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("body", "plain"),
    [
        ({}, False),
        ({"rsa": True}, False),
        ({"rsa": False}, True),
        ({"rsa": {}}, False),
        ({"model": "m:single"}, True),
        ({"rsa": {"method": "single"}}, True),
        ({"rsa": {"method": "single", "deadline_s": 5}}, False),
        ({"rsa": {"method": "single", "n": 3}}, False),
        ({"model": "m:rsa-4-2-2"}, False),
        ({"tools": TOOLS}, True),
        ({"functions": TOOLS}, True),
        ({"tools": []}, False),
        ({"tools": TOOLS, "rsa": True}, False),
        ({"tools": TOOLS, "rsa": {"n": 4}}, False),
        ({"tools": TOOLS, "model": "m:rsa-4-2-2"}, False),
        ({"tools": TOOLS, "rsa": False}, True),
    ],
)
def test_a_plain_call_is_the_backends_and_everything_else_is_deliberated(body: dict[str, Any], plain: bool) -> None:
    assert (plan(**body) is None) is plain


@pytest.mark.parametrize("body", [{"rsa": False}, {"model": "m:single"}, {"rsa": {"method": "single"}}])
def test_where_there_is_no_backend_a_plain_call_is_one_sample(body: dict[str, Any]) -> None:
    assert deliberated(forwards=False, **body).method == Single()


def test_a_single_sample_with_a_deadline_keeps_it() -> None:
    found = deliberated(rsa={"method": "single", "deadline_s": 5.0, "max_total_tokens": 70})
    assert (found.method, found.deadline_s, found.max_total_tokens) == (Single(), 5.0, 70)
    assert (deliberated().deadline_s, deliberated().max_total_tokens) == (None, None)


@pytest.mark.parametrize(
    ("body", "method"),
    [
        ({}, RSA(n=8, k=4, t=5)),
        ({"rsa": {"n": 3}}, RSA(n=3, k=3, t=5)),
        ({"rsa": {"n": 6, "k": 5, "t": 7, "order": "prefix"}}, RSA(n=6, k=5, t=7, order="prefix")),
        ({"model": "m:rsa-5-2-4"}, RSA(n=5, k=2, t=4)),
        ({"model": "m:rsa-5-2-4", "rsa": {"t": 2}}, RSA(n=5, k=2, t=2)),
        ({"model": "openai:m"}, RSA(n=8, k=4, t=5)),
        ({"model": "m:majority"}, Majority(n=8)),
        ({"model": "m:self-refine"}, SelfRefine(n=8, t=5)),
        ({"rsa": {"method": "best-of-n", "n": 5}}, BestOfN(n=5)),
        ({"rsa": {"method": "single", "deadline_s": 1}, "n": 3}, Single(n=3)),
        ({"rsa": {"method": "single", "n": 4}, "n": 3}, Single(n=4)),
    ],
)
def test_sizes_are_the_requests_then_the_servers(body: dict[str, Any], method: object) -> None:
    assert deliberated(**body).method == method


@pytest.mark.parametrize("size", ["n", "k", "t"])
def test_a_size_may_reach_its_limit_and_not_pass_it(size: str) -> None:
    settings = ServeSettings(n=2, k=2, t=2, limits=ServerLimits(n=6, k=5, t=4))
    most = {"n": 6, "k": 5, "t": 4}
    assert getattr(deliberated(settings, rsa=most).method, size) == most[size]
    with pytest.raises(APIError, match=rf"rsa.{size}: {most[size] + 1}, but this server allows at most {most[size]}"):
        plan(settings, rsa=most | {size: most[size] + 1})


@pytest.mark.parametrize(("n", "fits"), [(8, True), (9, False)])
def test_as_many_answers_as_the_last_population_has(n: int, fits: bool) -> None:
    if fits:
        assert deliberated(n=n).count == n
    else:
        with pytest.raises(APIError, match="n: 9 answers out of a population of 8"):
            plan(n=n)
    assert deliberated().count == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"model": "other"}, "does not exist here"),
        ({"model": "m:rsa-4-2"}, "does not exist here"),
        ({"rsa": {"method": "nothing"}}, "rsa.method"),
        ({"rsa": {"n": 2, "k": 3}}, "k = 3"),
        ({"rsa": {"candidate": "half"}}, "half"),
        ({"rsa": {"method": "majority", "k": 2}}, "has no setting k"),
        ({"rsa": {"answer": "majority"}, "tools": TOOLS}, "with tools the answer is one member's"),
        ({"n": 0}, "n"),
        ({"messages": []}, "messages"),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_call(body: dict[str, Any], said: str) -> None:
    with pytest.raises(APIError, match=said):
        plan(**body)


@pytest.mark.parametrize(
    ("fields", "plain"),
    [
        ({}, False),
        ({"max_tokens": 16}, True),
        ({"max_tokens": 17}, False),
        ({"max_tokens": 0}, False),  # no limit
        ({"max_tokens": 9, "rsa": True}, False),
        ({"max_tokens": 9, "rsa": {"n": 4}}, False),
        ({"max_tokens": 9, "max_completion_tokens": 99}, False),
        ({"max_tokens": 99, "max_output_tokens": 9}, True),
    ],
)
def test_a_request_for_a_few_tokens_is_plain_where_the_server_says_so(fields: dict[str, Any], plain: bool) -> None:
    asked = {"model": "m", "messages": ASKED} | fields
    assert asked_for(asked, "m", ServeSettings(plain_tokens=16)).plain is plain
    assert asked_for(asked, "m", DEFAULT).plain is False


@pytest.mark.parametrize(
    ("fields", "warned"),
    [
        ({}, False),
        ({"temperature": 0}, True),
        ({"temperature": 0, "rsa": {"n": 1}}, False),
        ({"temperature": 1}, False),
    ],
)
def test_equal_members_are_warned_of(fields: dict[str, Any], warned: bool) -> None:
    assert deliberated(**fields).warning == (
        "temperature 0 makes all members of the first population the same" if warned else ""
    )


def test_log_probabilities_are_asked_of_a_backend_only() -> None:
    assert deliberated(logprobs=True, top_logprobs=3).last.logprobs
    assert deliberated(logprobs=True, top_logprobs=3).last.extra_body["top_logprobs"] == 3
    assert not deliberated().last.logprobs
    with pytest.raises(APIError, match="logprobs: a model that runs in the server's own process"):
        plan(forwards=False, logprobs=True)


def test_how_members_are_sampled_and_what_binds_the_last_population_alone() -> None:
    found = deliberated(temperature=0, top_p=0.9, max_tokens=9, max_completion_tokens=7, stop="end", seed=11)
    every = found.settings.sampling
    assert (every.temperature, every.top_p, every.max_tokens, every.stop) == (0, 0.9, 7, ())
    assert (found.last.temperature, found.last.max_tokens, found.last.stop) == (0, 7, ("end",))
    assert found.settings.seed == 11
    assert deliberated(stop=["a", "b"]).last.stop == ("a", "b")
    plain = deliberated(max_tokens=9).settings.sampling
    assert (plain.temperature, plain.max_tokens, plain.server_defaults) == (1.0, 9, False)
    assert deliberated(ServeSettings(server_defaults=True)).settings.sampling.server_defaults


def test_without_a_seed_each_request_has_one_of_its_own() -> None:
    seeds = {deliberated().settings.seed for _ in range(20)}
    assert len(seeds) == 20
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert deliberated(seed=0).settings.seed == 0


def test_the_remaining_options() -> None:
    found = deliberated(rsa={"answer": "majority", "candidate": "answer", "progress": "none", "kind": "math"})
    told = (found.choice, found.settings.candidate, found.progress, found.question.kind, found.question.text)
    assert told == ("majority", "answer", "none", "math", "Why?")
    plain = deliberated()
    assert (plain.choice, plain.settings.candidate, plain.progress, plain.question.kind) == (
        "sample", "response", "reasoning", "text",
    )  # fmt: skip


FORM = {"type": "json_object"}


@pytest.mark.parametrize(
    ("body", "binds"),
    [
        ({}, False),
        ({"response_format": FORM}, True),
        ({"response_format": {"type": "text"}}, False),
        ({"stop": "end"}, True),
        ({"stop": []}, False),
        ({"logprobs": True}, True),
        ({"tools": TOOLS, "rsa": {}}, True),
        ({"tools": [], "tool_choice": "auto", "parallel_tool_calls": True}, False),
        ({"functions": [], "function_call": "none"}, False),
        ({"temperature": 0.1, "max_tokens": 5, "user": "x", "top_k": 3, "n": 2}, False),
        ({"guided_regex": "a"}, True),
    ],
)
def test_what_binds_the_answers_form(body: dict[str, Any], binds: bool) -> None:
    assert deliberated(**body).binds is binds


MATH = {"kind": "math"}
ADAPTIVE = RSA(n=8, k=4, t=5, stop="share:0.875", copy=True)


@pytest.mark.parametrize(
    ("body", "method", "choice"),
    [
        ({}, RSA(n=8, k=4, t=5), "sample"),
        ({"rsa": MATH}, ADAPTIVE, "majority"),
        ({"rsa": {"kind": "choice"}}, ADAPTIVE, "majority"),
        ({"messages": [{"role": "user", "content": "Answer in <answer> tags."}]}, ADAPTIVE, "majority"),
        ({"rsa": MATH, "response_format": FORM}, ADAPTIVE, "majority"),
        ({"rsa": MATH, "tools": TOOLS}, ADAPTIVE, "sample"),
        ({"rsa": MATH, "n": 8}, ADAPTIVE, "sample"),
        ({"rsa": {"n": 1, **MATH}}, RSA(n=1, k=1, t=5), "sample"),
        ({"rsa": {"method": "best-of-n", **MATH}}, BestOfN(n=8), "sample"),
        ({"rsa": {"method": "single", **MATH, "n": 3}}, Single(n=3), "majority"),
    ],
)
def test_where_answers_compare_the_server_stops_copies_and_votes(
    body: dict[str, Any], method: object, choice: str
) -> None:
    found = deliberated(**body)
    assert (found.method, found.choice) == (method, choice)


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


@pytest.mark.parametrize(
    ("suffix", "told"),
    [
        ("rsa-8-4-5", {}),
        ("rsa-8-4-5-stop0.875", {"stop": "share:0.875"}),
        ("rsa-8-4-5-stop1-copy", {"stop": "share:1", "copy": True}),
        ("rsa-8-4-5-copy-majority", {"copy": True, "answer": "majority"}),
    ],
)
def test_a_suffix_may_say_when_to_stop_to_copy_and_to_vote(suffix: str, told: dict[str, Any]) -> None:
    assert suffix_of(f"m:{suffix}", "m") == {"method": "rsa", "n": 8, "k": 4, "t": 5} | told
    assert re.fullmatch(pattern("m"), f"m:{suffix}")


@pytest.mark.parametrize("suffix", ["rsa-8-4-5-copy-stop0.875", "rsa-8-4-5-stop", "rsa-8-4-5-vote", "rsa-8-4-5-stop2"])
def test_another_order_or_rule_is_no_suffix(suffix: str) -> None:
    with pytest.raises(APIError, match="does not exist"):
        suffix_of(f"m:{suffix}", "m")


def test_what_a_request_says_is_the_methods() -> None:
    found = deliberated(rsa={"n": 5, "k": 2, "t": 4, "stop": "share:0.8", "copy": True, "answer": "majority", **MATH})
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
def test_stop_and_copy_need_answers_that_compare(rsa: dict[str, Any], said: str) -> None:
    with pytest.raises(APIError, match=said):
        plan(rsa=rsa)


def test_the_servers_own_settings_hold_where_answers_compare() -> None:
    settings = ServeSettings(n=8, t=5, stop="share:0.875", copy=True, answer="majority")
    compared, free = deliberated(settings, rsa=MATH), deliberated(settings)
    assert (compared.method, compared.choice) == (RSA(n=8, k=4, t=5, stop="share:0.875", copy=True), "majority")
    assert (free.method, free.choice) == (RSA(n=8, k=4, t=5), "sample")
    asked = deliberated(settings, rsa={"stop": "never", "copy": False, "answer": "sample", **MATH})
    assert (asked.method, asked.choice) == (RSA(n=8, k=4, t=5), "sample")
