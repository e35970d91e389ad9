"""A connection of one's own to a real language model: the lab's Llama in numpy, from one file.

It reads and writes what ``hf:`` with the same weights does: the same tokens of a prompt, the same greedy replies.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from examples.lab.model import CONTEXT, END, HEADS, LAYERS, PAD, ROPE_THETA

import selfagg
from selfagg.types import Message

Array = np.ndarray[Any, np.dtype[Any]]

_KNOWN = re.compile(r"\[Candidate\b|\b(?:rules|goal|[rpg]\d+)\b")
_SPECIAL = (PAD, END)
_GATHERING_S = 0.002  # calls that arrive within this time are written together
_EPSILON = 1e-6


class TinyLlama(selfagg.AlwaysOpen):
    """The lab's model. Each call draws its tokens by its own seed, whatever else is written at the same time."""

    concurrency, context = 1024, CONTEXT

    def __init__(self, file: Path) -> None:
        with np.load(file) as stored:
            self.words: list[str] = stored["words"].tolist()
            # In float64 sums do not hang on what else is in the batch, so far as a draw could notice.
            self.weights = {name: stored[name].astype(np.float64) for name in stored.files if name != "words"}
        self.name = f"lab:{file.stem}"
        self._ids = {word: place for place, word in enumerate(self.words)}
        self._waiting: list[tuple[selfagg.Request, asyncio.Future[selfagg.Reply]]] = []

    def tokens(self, messages: Sequence[Message]) -> list[int]:
        """Return the prompt's tokens: the words that the model knows. All others are passed over."""
        text = "\n".join(str(message["content"]) for message in messages)
        return [self._ids.get(word, self._ids[PAD]) for word in _KNOWN.findall(text)]

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the number of the prompt's tokens."""
        return len(self.tokens(messages))

    async def sample(self, request: selfagg.Request) -> selfagg.Reply:
        """Write one reply. Raise ModelError where more is asked for than a temperature."""
        sampling = request.sampling
        if sampling.top_p not in (None, 1.0) or sampling.stop or sampling.extra_body:
            raise selfagg.ModelError(f"{self.name} knows no setting but temperature and max_tokens", fatal=True)
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_later(_GATHERING_S, self._write)
        self._waiting.append((request, loop.create_future()))
        return await self._waiting[-1][1]

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        groups = defaultdict(list)
        for request, future in waiting:
            prompt = self.tokens(request.messages)
            room = CONTEXT - len(prompt)
            if future.cancelled():
                continue
            if not prompt or room < 1:
                future.set_exception(selfagg.ContextOverflow(f"a prompt of {len(prompt)} tokens, {CONTEXT} are most"))
                continue
            groups[len(prompt), min(room, request.sampling.max_tokens or room)].append((prompt, request, future))
        for (length, most), group in groups.items():
            replies = self._sampled([prompt for prompt, _, _ in group], [request for _, request, _ in group], most)
            for reply, (_, _, future) in zip(replies, group, strict=True):
                future.set_result(self._reply(reply, length))

    def _reply(self, tokens: list[int], prompt: int) -> selfagg.Reply:
        ended = self._ids[END] in tokens
        written = tokens[: tokens.index(self._ids[END]) + 1] if ended else tokens
        text = " ".join(self.words[token] for token in written if self.words[token] not in _SPECIAL)
        stop = selfagg.Stop.FINISHED if ended else selfagg.Stop.LENGTH
        return selfagg.Reply(text, stop=stop, usage=selfagg.Usage(prompt=prompt, completion=len(written)))

    def _sampled(self, prompts: list[list[int]], requests: list[selfagg.Request], most: int) -> list[list[int]]:
        """Write replies of ``most`` tokens to prompts of equal length; equal prompts are read once."""
        draws = np.array([np.random.default_rng(request.seed).random(most) for request in requests])
        heats = np.array([[request.sampling.temperature] for request in requests])
        different, copies = np.unique(np.array(prompts), axis=0, return_inverse=True)
        logits, cache = self.forward(different, [])
        logits, cache = logits[copies], [(keys[copies], values[copies]) for keys, values in cache]
        written: list[Array] = []
        for step in range(most):
            chances = np.exp((logits - logits.max(-1, keepdims=True)) / np.maximum(heats, 1e-9)).cumsum(-1)
            written.append((chances < draws[:, step : step + 1] * chances[:, -1:]).sum(-1))
            logits, cache = self.forward(written[-1][:, None], cache)
        return np.array(written).T.tolist()  # type: ignore[no-any-return]

    def forward(self, ids: Array, cache: list[tuple[Array, Array]]) -> tuple[Array, list[tuple[Array, Array]]]:
        """Return the logits of the next token, (batch, words), and the keys and values of all tokens so far."""
        past = cache[0][0].shape[2] if cache else 0
        embedding, after = self.weights["model.embed_tokens.weight"], []
        hidden = embedding[ids]
        for layer in range(LAYERS):
            part = {name.split(".", 3)[3]: w for name, w in self.weights.items() if f"layers.{layer}." in name}
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
        return _normed(hidden[:, -1], self.weights["model.norm.weight"]) @ embedding.T, after


def _normed(hidden: Array, weight: Array) -> Array:
    return weight * hidden / np.sqrt((hidden**2).mean(-1, keepdims=True) + _EPSILON)


def _heads(projected: Array) -> Array:
    return projected.reshape(*projected.shape[:2], HEADS, -1).swapaxes(1, 2)


def _rotated(heads: Array, past: int) -> Array:
    half = heads.shape[-1] // 2
    angles = (past + np.arange(heads.shape[2]))[:, None] * ROPE_THETA ** (-np.arange(half) / half)
    first, second, cos, sin = heads[..., :half], heads[..., half:], np.cos(angles), np.sin(angles)
    return np.concatenate((first * cos - second * sin, second * cos + first * sin), -1)
