"""A Llama in numpy: the arithmetic alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from examples.lab.model import HEADS, LAYERS, ROPE_THETA

Array = np.ndarray[Any, np.dtype[Any]]
Cache = list[tuple[Array, Array]]
"""For each layer keys and values, of shape (batch, heads, tokens so far, width of a head)."""

_EPSILON = 1e-6


def forward(weights: Mapping[str, Array], ids: Array, cache: Cache) -> tuple[Array, Cache]:
    """Return the logits of the next token, and the keys and values of all tokens so far.

    Args:
        weights: The model's, by their names in transformers.
        ids: Tokens, of shape (batch, length).
        cache: What the tokens before them gave; empty at the start of a prompt.
    """
    past = cache[0][0].shape[2] if cache else 0
    embedding, after = weights["model.embed_tokens.weight"], []
    hidden = embedding[ids]
    for layer in range(LAYERS):
        part = {name.split(".", 3)[3]: w for name, w in weights.items() if f"layers.{layer}." in name}
        normed = _normed(hidden, part["input_layernorm.weight"])
        queries, keys, values = (_heads(normed @ part[f"self_attn.{name}_proj.weight"].T) for name in "qkv")
        queries, keys = _rotated(queries, past), _rotated(keys, past)
        if cache:
            keys, values = (np.concatenate(pair, 2) for pair in zip(cache[layer], (keys, values), strict=True))
        after.append((keys, values))
        scores = queries @ keys.swapaxes(-1, -2) / np.sqrt(queries.shape[-1])
        scores += np.triu(np.full(scores.shape[-2:], -np.inf), past + 1)
        attention = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (attention / attention.sum(-1, keepdims=True) @ values).swapaxes(1, 2).reshape(hidden.shape)
        hidden = hidden + mixed @ part["self_attn.o_proj.weight"].T
        normed = _normed(hidden, part["post_attention_layernorm.weight"])
        gate = normed @ part["mlp.gate_proj.weight"].T
        inner = gate / (1 + np.exp(-gate)) * (normed @ part["mlp.up_proj.weight"].T)
        hidden = hidden + inner @ part["mlp.down_proj.weight"].T
    return _normed(hidden[:, -1], weights["model.norm.weight"]) @ embedding.T, after


def _normed(hidden: Array, weight: Array) -> Array:
    scaled: Array = hidden / np.sqrt((hidden**2).mean(-1, keepdims=True) + _EPSILON)
    return weight * scaled


def _heads(projected: Array) -> Array:
    return projected.reshape(*projected.shape[:2], HEADS, -1).swapaxes(1, 2)


def _rotated(heads: Array, past: int) -> Array:
    half = heads.shape[-1] // 2
    angles = (past + np.arange(heads.shape[2]))[:, None] * ROPE_THETA ** (-np.arange(half) / half)
    first, second, cos, sin = heads[..., :half], heads[..., half:], np.cos(angles), np.sin(angles)
    return np.concatenate((first * cos - second * sin, second * cos + first * sin), -1)
