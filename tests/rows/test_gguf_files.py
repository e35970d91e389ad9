"""GGUF files that the project writes: llama.cpp computes with them what transformers computes."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("xllamacpp")

from examples.rows.gguf_files import turned, write_adapter  # noqa: E402
from examples.rows.lessons import Mix, lesson  # noqa: E402
from tests.rows.small_model import HEADS, WIDTH, make_model, make_tokenizer, write_model  # noqa: E402

from selfagg.models.base import Model  # noqa: E402
from selfagg.models.llama_cpp import LocalModel  # noqa: E402
from selfagg.models.transformers.model import HFModel  # noqa: E402
from selfagg.prompts.wording import Wording  # noqa: E402
from selfagg.types import Question, Request, Sampling  # noqa: E402

MESSAGES = lesson(random.Random(3), Mix(candidates=(0, 0, 1, 0), judging=0.0), Wording()).messages


async def told(model: Model) -> tuple[str, tuple[float, ...]]:
    """Return what a model says without chance, and the log-probabilities of its first tokens."""
    async with model:
        sampling = Sampling(temperature=0.0, max_tokens=6, logprobs=True)
        reply = await model.sample(Request(MESSAGES, sampling, 1, Question("q", "?")))
    return reply.text, (reply.logprobs or ())[:3]


def loud(model: Any) -> None:
    """Make untrained weights large, so that what comes out hangs on all of them."""
    for name, weight in model.named_parameters():
        if weight.dim() == 2:
            weight.data *= 4 if "embed" in name else 6


async def test_a_model_and_an_adapter(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    tokenizer = make_tokenizer()
    model = make_model(tokenizer, 0)
    loud(model)
    file = tmp_path / "model.gguf"
    write_model(model, tokenizer, file, name="test")
    text, chances = await told(HFModel(model, tokenizer))
    ours, others = await told(LocalModel(str(file), concurrency=1))
    assert ours == text
    assert others == pytest.approx(chances, abs=0.05)

    adapted: Any = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "up_proj"]))
    for name, weight in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.3, generator=torch.Generator().manual_seed(len(name)))
    adapted.half().save_pretrained(str(tmp_path / "adapter"))
    write_adapter(tmp_path / "adapter", tmp_path / "adapter.gguf", head=WIDTH // HEADS)
    text_adapted, chances = await told(HFModel(adapted.float().merge_and_unload(), tokenizer))
    ours, others = await told(LocalModel(f"{file},lora={tmp_path / 'adapter.gguf'}", concurrency=1))
    assert ours == text_adapted
    assert others == pytest.approx(chances, abs=0.05)
    assert text_adapted != text


def test_rows_of_a_head_are_turned() -> None:
    weight = torch.arange(8)[:, None].expand(8, 2)
    assert turned(weight, 4)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    assert (turned(weight.numpy(), 4) == turned(weight, 4).numpy()).all()
