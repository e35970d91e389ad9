"""Random models of a few thousand weights with a byte-level tokenizer, made offline, for tests of what runs models."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_SPECIAL = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A token for each byte, one for each role; ``<|end|>`` ends a reply."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*_SPECIAL, *letters])}
    raw = Tokenizer(BPE(vocab=vocabulary, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw, eos_token="<|end|>", pad_token="<|pad|>", additional_special_tokens=_SPECIAL[2:]
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def tiny_model(*, seed: int = 0, layers: int = 2, width: int = 32, context: int = 512) -> LlamaForCausalLM:
    """Two layers of random weights, large enough for the next token to depend on those before it."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(_SPECIAL) + 256,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=context,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
        initializer_range=0.3,
    )
    model = LlamaForCausalLM(config)
    model.train(False)
    return model


def save_tiny(folder: Path, *, seed: int = 0, width: int = 32, context: int = 512) -> Path:
    """A folder that holds such a model."""
    tiny_model(seed=seed, width=width, context=context).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder
