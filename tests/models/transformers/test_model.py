from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tiny_models import save_tiny, tiny_model, tiny_tokenizer
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, MambaConfig, MambaForCausalLM, PreTrainedModel
from typer.testing import CliRunner

from selfagg.cli import app
from selfagg.errors import ContextOverflow, ModelError, UsageError
from selfagg.models import Access, connect
from selfagg.models.transformers import checkpoints
from selfagg.models.transformers.model import HFCheckpoint, HFModel
from selfagg.types import Question, Reply, Request, Sampling, Stop

WORDS = ["one", "a longer question", "?", "something else that goes on for a while, and then for a while more", "two"]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _model(model: PreTrainedModel | None = None, **settings: Any) -> HFModel:
    return HFModel(model or tiny_model(), tiny_tokenizer(), **settings)


def _request(text: str = "hello", seed: int = 1, extra: dict[str, Any] | None = None, **sampling: Any) -> Request:
    settings = Sampling(**{"max_tokens": 24, **sampling}, extra_body=extra or {})
    return Request(({"role": "user", "content": text},), settings, seed, Question(id="q", text=text))


async def _all(model: HFModel, requests: Sequence[Request]) -> list[Reply]:
    return await asyncio.gather(*map(model.sample, requests))


def _generated(model: PreTrainedModel, text: str, new: int = 24) -> list[int]:
    """What the library's own `generate` writes greedily, alone."""
    prompt = tiny_tokenizer()(f"<|user|>{text}<|end|><|assistant|>", return_tensors="pt")["input_ids"]
    generate: Any = model.generate
    written = generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=new, do_sample=False, eos_token_id=1
    )
    tokens: list[int] = written[0, prompt.shape[-1] :].tolist()
    return tokens


def _sliding() -> Gemma3ForCausalLM:
    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=261,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        initializer_range=0.3,
        sliding_window=8,
        layer_types=["sliding_attention", "full_attention"] * 2,
        max_position_embeddings=512,
        eos_token_id=1,
        pad_token_id=0,
    )
    return Gemma3ForCausalLM(config)


@pytest.mark.parametrize("concurrency", [1, 2, 64])
@pytest.mark.parametrize("make", [tiny_model, _sliding])
async def test_greedy_replies_in_a_batch_are_those_of_generate_alone(make: Any, concurrency: int) -> None:
    model = make()
    model.train(False)
    texts = [word * times for word in WORDS for times in (1, 2, 3)]
    async with _model(model, concurrency=concurrency) as connection:
        replies = await _all(connection, [_request(text, temperature=0.0) for text in texts])
    for text, reply in zip(texts, replies, strict=True):
        expected = _generated(model, text)
        assert reply.text == tiny_tokenizer().decode(expected, skip_special_tokens=True)
        assert reply.usage.completion == len(expected)
        assert reply.stop is (Stop.FINISHED if expected[-1] == 1 else Stop.LENGTH)


async def test_a_seed_decides_a_reply_whatever_is_written_beside_it() -> None:
    requests = [_request(text, seed) for text in WORDS for seed in range(8)]
    async with _model() as model:
        together = [reply.text for reply in await _all(model, requests)]
        alone = [(await model.sample(request)).text for request in requests[:6]]
    async with _model(concurrency=3) as model:
        assert [reply.text for reply in await _all(model, requests)] == together
    assert together[:6] == alone
    assert len(set(together)) > len(requests) // 2


async def test_samples_follow_the_models_probabilities() -> None:
    """First tokens of 4,000 samples against the softmax of the logits: chi-square of the likeliest."""
    model, draws = tiny_model(), 4000
    prompt = tiny_tokenizer()("<|user|>hello<|end|><|assistant|>", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        logits = model(prompt).logits[0, -1] / 0.7
    async with _model(model, concurrency=1024) as connection:
        requests = [_request(seed=seed, temperature=0.7, max_tokens=1, logprobs=True) for seed in range(draws)]
        replies = await _all(connection, requests)
    raw = model(prompt).logits[0, -1].detach().log_softmax(-1)
    for rank in logits.topk(8).indices.tolist():
        expected = float(logits.softmax(-1)[rank]) * draws
        same = [r for r in replies if r.logprobs and abs(r.logprobs[0] - float(raw[rank])) < 1e-5]
        assert abs(len(same) - expected) < 5 * expected**0.5 + 1


async def test_cuts_leave_the_likeliest_tokens() -> None:
    greedy = _request(temperature=0.0)
    async with _model() as model:
        expected = (await model.sample(greedy)).text
        narrow: list[dict[str, Any]] = [{"top_p": 1e-9}, {"extra": {"top_k": 1}}, {"extra": {"min_p": 1.0}}]
        for cut in narrow:
            replies = await _all(model, [_request(seed=seed, **cut) for seed in range(3)] + [_request(seed=9)])
            assert [reply.text for reply in replies[:3]] == [expected] * 3
            assert replies[3].text != expected, "a row that cuts nothing is not cut by its neighbours"


async def test_what_a_checkpoint_recommends_is_used_only_where_it_is_asked_for(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "tiny")
    config = folder / "generation_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "do_sample": True, "top_k": 1}))
    async with HFCheckpoint(str(folder)) as model:
        neutral = await _all(model, [_request(seed=seed) for seed in range(8)])
        served = await _all(model, [_request(seed=seed, server_defaults=True) for seed in range(8)])
        wider = await _all(model, [_request(seed=s, server_defaults=True, extra={"top_k": 0}) for s in range(8)])
    assert len({reply.text for reply in neutral}) == len({reply.text for reply in wider}) == 8
    assert len({reply.text for reply in served}) == 1


async def test_a_recommended_penalty_that_is_not_there_is_refused() -> None:
    model = tiny_model()
    assert model.generation_config is not None
    model.generation_config.repetition_penalty = 1.1
    async with _model(model) as connection:
        assert (await connection.sample(_request())).text
        with pytest.raises(ModelError, match="repetition_penalty, which hf: does not have"):
            await connection.sample(_request(server_defaults=True))


async def test_stop_strings_end_a_reply_and_are_no_part_of_it() -> None:
    async with _model() as model:
        whole = await model.sample(_request(seed=3, max_tokens=60))
        stop = whole.text[10:13]
        cut = await model.sample(_request(seed=3, max_tokens=60, stop=("nowhere", stop)))
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.stop is Stop.FINISHED
    assert cut.usage.completion < whole.usage.completion


async def test_usage_and_log_probabilities_are_one_for_each_token() -> None:
    async with _model() as model:
        reply, silent = await _all(model, [_request(max_tokens=9, logprobs=True), _request(max_tokens=9)])
        assert reply.usage.prompt == await model.count_tokens(_request().messages) == 3 + len("hello")
    assert reply.usage.completion == 9
    assert reply.stop is Stop.LENGTH
    assert reply.logprobs is not None
    assert len(reply.logprobs) == 9
    assert all(logprob <= 0 for logprob in reply.logprobs)
    assert silent.logprobs is None


async def test_what_does_not_fit_the_context() -> None:
    async with _model(context=40) as model:
        assert model.context == 40
        with pytest.raises(ContextOverflow, match="53 tokens does not fit a context of 40"):
            await model.sample(_request("x" * 50))
        reply = await model.sample(_request("x" * 27, seed=2, max_tokens=24))
        assert reply.usage.prompt + reply.usage.completion <= 40
    with pytest.raises(UsageError, match="trained on up to 512"):
        _model(context=513)


async def test_a_reply_without_any_bound_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "LONGEST", 6)
    inner = tiny_model()
    async with _model(inner) as model:
        model.context = None  # as for models whose configuration names no bound
        assert (await model.sample(_request(max_tokens=None))).usage.completion == 6
        assert (await model.sample(_request(max_tokens=9))).usage.completion == 9


async def test_a_cancelled_call_frees_its_place() -> None:
    async with _model(concurrency=1) as model:
        slow = asyncio.create_task(model.sample(_request(max_tokens=480)))
        next_one = asyncio.create_task(model.sample(_request(max_tokens=480)))
        last = asyncio.create_task(model.sample(_request("last", max_tokens=2)))
        await asyncio.sleep(0.05)
        for call in (slow, next_one):
            call.cancel()
        assert (await last).usage.completion == 2
    assert slow.cancelled()
    assert next_one.cancelled()


async def test_leaving_ends_what_is_running() -> None:
    async with _model() as model:
        call = asyncio.create_task(model.sample(_request(max_tokens=480)))
        await asyncio.sleep(0.05)
    with pytest.raises(asyncio.CancelledError):
        await call
    with pytest.raises(RuntimeError, match="outside of its"):
        await model.sample(_request())


async def test_the_mode_of_a_model_in_training_comes_back() -> None:
    inner = tiny_model()
    inner.train()
    async with _model(inner) as model:
        await model.sample(_request())
        assert not inner.training
    assert inner.training


class _Small:
    """Stands in a model's way when more rows are written at once than memory holds."""

    def __init__(self, model: PreTrainedModel, most: int) -> None:
        self.most, self.sizes = most, set[int]()
        model.register_forward_pre_hook(self.check, with_kwargs=True)

    def check(self, model: Any, args: Any, kwargs: Any) -> None:
        rows = len(kwargs["input_ids"])
        if rows > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.sizes.add(rows)


async def test_a_batch_that_memory_does_not_hold_is_written_in_parts() -> None:
    requests = [_request(text, seed) for text in WORDS for seed in range(6)]
    async with _model() as model:
        expected = [reply.text for reply in await _all(model, requests)]
    inner = tiny_model()
    small = _Small(inner, 7)
    async with _model(inner) as model:
        assert [reply.text for reply in await _all(model, requests)] == expected
    assert max(small.sizes) > 1
    small.most = 0
    async with _model(inner) as model:
        with pytest.raises(ModelError, match="out of memory"):
            await model.sample(_request())


async def test_a_failing_model_fails_the_calls_and_not_the_connection() -> None:
    inner = tiny_model()

    def fail(model: Any, args: Any, kwargs: Any) -> None:
        if int(kwargs["input_ids"].shape[-1]) > 40:
            raise RuntimeError("too much for me\nand a trace")

    inner.register_forward_pre_hook(fail, with_kwargs=True)
    async with _model(inner) as model:
        with pytest.raises(ModelError, match=r"failed: too much for me$"):
            await model.sample(_request("x" * 50))
        assert (await model.sample(_request("x"))).usage.completion


async def test_what_a_request_may_not_hold() -> None:
    async with _model() as model:
        with pytest.raises(ModelError, match="no field 'tools'"):
            await model.sample(_request(extra={"tools": []}))
        with pytest.raises(ModelError, match="top_k is a whole number"):
            await model.sample(_request(extra={"top_k": "many"}))
        image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}
        with pytest.raises(ModelError, match="reads text only"):
            await model.count_tokens([image])
        parts = {"role": "user", "content": [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]}
        assert await model.count_tokens([parts]) == await model.count_tokens(_request("hello").messages)


def test_a_model_that_cannot_be_batched_is_refused() -> None:
    mamba = MambaForCausalLM(MambaConfig(vocab_size=261, hidden_size=16, num_hidden_layers=1))
    with pytest.raises(UsageError, match=r"kind \(mamba\) that cannot be batched"):
        _model(mamba)


async def test_names_and_what_goes_with_them(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "trained")
    assert connect("hf:owner/name").name == "hf:owner/name"
    assert connect(str(folder)).name == connect(f"hf:{folder}").name == "hf:trained"
    with pytest.raises(UsageError, match="names no model"):
        connect("hf:")
    with pytest.raises(UsageError, match="there is no model"):
        connect(str(tmp_path))
    for kind in ("hf:x", "local", "simulated:"):
        with pytest.raises(UsageError, match="no base URL"):
            connect(kind, Access(base_urls=("http://localhost:1/v1",)))
        with pytest.raises(UsageError, match="no API key"):
            connect(kind, Access(api_key_file=tmp_path / "key"))
    async with connect(f"hf:{folder}", Access(concurrency=5, context=100)) as model:
        assert (model.concurrency, model.context) == (5, 100)
        assert (await model.sample(_request())).text


def test_a_folder_is_evaluated_by_its_path(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "trained", context=4096)
    record = tmp_path / "run.sqlite"
    given = ["eval", "reasoning_gym:chain_sum", "--size", "2", "--model", str(folder), "--record", str(record)]
    result = CliRunner().invoke(app, [*given, "-n", "4", "-k", "2", "-t", "2", "--max-tokens", "16", "--json"])
    assert result.exit_code == 0, result.output
    assert '"hf:trained"' in result.stdout
    assert record.exists()
