"""What a request asks for, as it is worked out before the first call."""

from __future__ import annotations

from typing import Any

import pytest

from selfagg.methods import RSA, BestOfN, Majority, SelfRefine, Single
from selfagg.server.errors import APIError
from selfagg.server.plan import DeliberationPlan, asked_for, planned
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
