from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from selfagg.errors import ContextOverflow, ModelError, UsageError
from selfagg.models import Access, connect
from selfagg.models.vllm import VLLMModel
from selfagg.types import Delta, Question, Reply, Request, Sampling, Stop

_needs_vllm = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")
_in_one_loop = pytest.mark.asyncio(loop_scope="module")


def _request(text: str = "hello", seed: int = 1, extra: dict[str, Any] | None = None, **sampling: Any) -> Request:
    settings = Sampling(**{"max_tokens": 24, **sampling}, extra_body=extra or {})
    return Request(({"role": "user", "content": text},), settings, seed, Question(id="q", text=text))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VLLMModel]:
    """A tiny random model on a real engine; on a CPU that wants a second and a GB."""
    if find_spec("vllm") is None:
        pytest.skip("vLLM is not installed")
    from tiny_models import save_tiny

    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    folder = save_tiny(tmp_path_factory.mktemp("vllm") / "tiny", width=64, context=1024)
    name = f"vllm:{folder},dtype=float32,enforce_eager=true,max-num-seqs=16"
    async with connect(name, Access(context=512)) as connection:
        assert isinstance(connection, VLLMModel)
        yield connection


@_in_one_loop
async def test_what_the_engine_says_of_itself(model: VLLMModel) -> None:
    assert (model.name, model.context, model.concurrency) == ("vllm:tiny", 512, 16)
    assert await model.count_tokens(_request("hello").messages) == 3 + len("hello")


@_in_one_loop
async def test_a_seed_decides_a_reply_whatever_is_written_beside_it(model: VLLMModel) -> None:
    requests = [_request(seed=seed) for seed in range(12)]
    together = [reply.text for reply in await asyncio.gather(*map(model.sample, requests))]
    alone = [(await model.sample(request)).text for request in requests[:4]]
    assert together[:4] == alone
    assert len(set(together)) > 6


@_in_one_loop
async def test_greedy_replies_are_those_of_transformers(model: VLLMModel) -> None:
    from tiny_models import tiny_model, tiny_tokenizer

    from selfagg.models.transformers.model import HFModel

    texts = ["one", "a longer question", "?"]
    requests = [_request(text, temperature=0.0) for text in texts]
    async with HFModel(tiny_model(width=64, context=1024), tiny_tokenizer()) as other:
        expected = [await other.sample(request) for request in requests]
    replies = [await model.sample(request) for request in requests]
    for reply, same in zip(replies, expected, strict=True):
        # vLLM leaves out a character that is cut within.
        assert (reply.text.rstrip("\ufffd"), reply.stop) == (same.text.rstrip("\ufffd"), same.stop)
        assert (reply.usage.prompt, reply.usage.completion) == (same.usage.prompt, same.usage.completion)


@_in_one_loop
async def test_usage_log_probabilities_and_the_end(model: VLLMModel) -> None:
    reply = await model.sample(_request(max_tokens=9, logprobs=True))
    assert reply.stop is Stop.LENGTH
    assert reply.usage.completion == 9
    assert reply.logprobs is not None
    assert len(reply.logprobs) == 9
    assert (await model.sample(_request(max_tokens=9))).logprobs is None
    whole = await model.sample(_request(seed=3, max_tokens=60))
    stop = whole.text[10:13]
    cut = await model.sample(_request(seed=3, max_tokens=60, stop=(stop,)))
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.stop is Stop.FINISHED


@_in_one_loop
async def test_a_prefix_that_was_read_before_is_counted_as_cached(model: VLLMModel) -> None:
    text = "a long question " * 20
    await model.sample(_request(text))
    reply = await model.sample(_request(text, seed=2))
    assert 0 < reply.usage.cached < reply.usage.prompt


@_in_one_loop
async def test_a_streamed_reply_is_the_whole_in_pieces(model: VLLMModel) -> None:
    items = [item async for item in model.stream(_request(seed=5, logprobs=True))]
    reply = items[-1]
    assert isinstance(reply, Reply)
    pieces = [item.text for item in items if isinstance(item, Delta)]
    assert "".join(pieces) == reply.text
    assert len(pieces) > 3
    whole = await model.sample(_request(seed=5, logprobs=True))
    assert (reply.text, reply.usage.completion) == (whole.text, whole.usage.completion)
    assert reply.logprobs == pytest.approx(whole.logprobs, abs=1e-4)


@_in_one_loop
async def test_a_cancelled_call_is_aborted_in_the_engine(model: VLLMModel) -> None:
    call = asyncio.create_task(model.sample(_request(max_tokens=500, extra={"ignore_eos": True})))
    await asyncio.sleep(0.2)
    assert model._engine.get_num_unfinished_requests() == 1
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert model._engine.get_num_unfinished_requests() == 0


@_in_one_loop
async def test_what_a_request_may_not_be(model: VLLMModel) -> None:
    with pytest.raises(ContextOverflow, match="does not fit a context of 512"):
        await model.sample(_request("x" * 600))
    with pytest.raises(ModelError, match="'tools' is no sampling parameter"):
        await model.sample(_request(extra={"tools": []}))
    with pytest.raises(ModelError, match="'seed' is no sampling parameter"):
        await model.sample(_request(extra={"seed": 1}))
    with pytest.raises(ModelError, match="refuses the sampling parameters"):
        await model.sample(_request(extra={"min_p": 3.0}))


@_needs_vllm
@_in_one_loop
async def test_an_engine_argument_that_does_not_exist() -> None:
    with pytest.raises(
        UsageError, match=r"no engine argument 'tensor_paralel_size'; did you mean tensor_parallel_size"
    ):
        async with connect(f"vllm:{Path(__file__).parent},tensor_paralel_size=2"):
            pass


@_needs_vllm
@_in_one_loop
async def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="vLLM cannot load"):
        async with connect(f"vllm:{tmp_path}"):
            pass


@_in_one_loop
async def test_an_engine_that_dies_fails_its_calls_for_good(model: VLLMModel) -> None:
    """The last test of this engine."""
    call = asyncio.create_task(model.sample(_request(max_tokens=500, extra={"ignore_eos": True})))
    await asyncio.sleep(0.1)
    for process in model._engine.engine_core.resources.engine_manager.processes:
        os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(ModelError, match="engine died") as failure:
        await call
    assert failure.value.fatal
    with pytest.raises(ModelError, match="engine died"):
        await model.sample(_request())


def test_names_and_settings() -> None:
    made = connect("vllm:owner/name,tensor-parallel-size=2,dtype=bfloat16", Access(concurrency=7))
    assert isinstance(made, VLLMModel)
    assert (made.name, made.concurrency) == ("vllm:owner/name", 7)
    assert made._settings == {"tensor_parallel_size": 2, "dtype": "bfloat16"}
    with pytest.raises(UsageError, match="names no model"):
        connect("vllm:")
    with pytest.raises(UsageError, match="'tensor_parallel_size' is no setting"):
        connect("vllm:owner/name,tensor_parallel_size")
    with pytest.raises(UsageError, match="no base URL"):
        connect("vllm:owner/name", Access(base_urls=("http://localhost:1/v1",)))


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
async def test_without_vllm(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pip install 'selfagg\[vllm\]'"):
        async with connect(f"vllm:{tmp_path}"):
            pass
