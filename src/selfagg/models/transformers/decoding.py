"""Rows of a transformers model that are written together; finished ones leave and others join at any token."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from selfagg.errors import UsageError
from selfagg.models.transformers.sampling import Choice, Sampler

if TYPE_CHECKING:
    import torch
    from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

_SHARE_GONE = 8
"""The batch's tensors shrink when one row in so many is done: each time, the cache is copied."""
_BYTES = 4
"""Most tokens that a character may be spread over."""


@dataclass(eq=False, slots=True)
class DecodingRow:
    """One reply in the making.

    Attributes:
        prompt: Tokens.
        limit: Most new tokens.
        choice: The choice of tokens, and
        chance: by which random numbers.
        stops: Strings that end it.
        logprobs: True if to note each token's log-probability.
        tokens: The tokens written so far; the token that ends a reply included.
        noted: Log-probabilities of the tokens, by the model at a temperature of 1.
        ended: True if the model ended it, by a token of its own or a stop string.
        cancelled: Set by whoever gave up waiting.
        start: Time of the call, by `time.perf_counter`.
    """

    prompt: list[int]
    limit: int
    choice: Choice
    chance: random.Random
    stops: tuple[str, ...] = ()
    logprobs: bool = False
    tokens: list[int] = field(default_factory=list)
    noted: list[float] = field(default_factory=list)
    ended: bool = False
    cancelled: bool = False
    start: float = field(default_factory=time.perf_counter)

    @property
    def done(self) -> bool:
        """Return True if nothing more is to be written."""
        return self.ended or self.cancelled or len(self.tokens) >= self.limit

    @property
    def most(self) -> int:
        """Return the most tokens that the row may have, prompt included."""
        return len(self.prompt) + self.limit


class Decoding:
    """A batch in the middle of being written. For one thread at a time.

    The rows' keys and values lie flush right in one cache, so that all rows write at its end; what is left of a
    shorter row is masked. Layers with a sliding window keep all tokens, and mask those out of it.

    Attributes:
        rows: Those that are being written.
    """

    def __init__(self, model: PreTrainedModel, decode: Callable[[list[int]], str], ends: frozenset[int]) -> None:
        """Create an empty batch.

        Args:
            model: In evaluation mode.
            decode: Turns tokens into text, for stop strings.
            ends: Tokens that end a reply.
        """
        self._model = model
        self._decode = decode
        self._ends = ends
        self.rows: list[DecodingRow] = []
        self._places: list[DecodingRow | None]  # the rows of the tensors; None: done, and not taken out yet
        self._cache: DynamicCache
        self._lengths: torch.Tensor  # of each place: tokens in the cache
        self._last: torch.Tensor  # of each place: the token written last, which is not in the cache yet
        self._sampler: Sampler
        self.clear()

    def join(self, rows: Sequence[DecodingRow]) -> list[DecodingRow]:
        """Read the prompts of further rows, and the tokens already written of them, and write one token of each row.

        Returns:
            Those that are done now.
        """
        import torch
        from transformers import DynamicCache

        texts = [row.prompt + row.tokens for row in rows]
        longest, device = max(map(len, texts)), self._model.device
        padded = torch.tensor([[0] * (longest - len(text)) + text for text in texts], device=device)
        lengths = torch.tensor([len(text) for text in texts], device=device)
        cache = DynamicCache()
        logits = self._forward(padded, lengths, cache)
        last = self._write(rows, logits, Sampler([row.choice for row in rows], device))
        if self.rows:
            self._compact()
            _widen(self._cache, cache)
            self._lengths, self._last = torch.cat([self._lengths, lengths]), torch.cat([self._last, last])
        else:
            self._cache, self._lengths, self._last = cache, lengths, last
        self.rows += rows
        self._places += rows
        self._sampler = Sampler([row.choice for row in self.rows], device)
        return self._leave()

    def step(self) -> list[DecodingRow]:
        """Write one token of each row.

        Returns:
            Those that are done now.
        """
        self._lengths = self._lengths + 1
        logits = self._forward(self._last.unsqueeze(-1), self._lengths, self._cache)
        self._last = self._write(self._places, logits, self._sampler)
        return self._leave()

    def clear(self) -> list[DecodingRow]:
        """Drop the cache, e.g. one that a failure left half written; return the rows, which can join again."""
        from transformers import DynamicCache

        rows, self.rows, self._places = self.rows, [], []
        self._cache = DynamicCache()
        return rows

    def _forward(self, tokens: torch.Tensor, lengths: torch.Tensor, cache: DynamicCache) -> torch.Tensor:
        """Return logits of shape (rows, vocabulary) after ``tokens``, the last tokens of rows of these lengths."""
        import torch

        new = tokens.shape[-1]
        places = torch.arange(cache.get_seq_length() + new, device=tokens.device)
        places = places - (len(places) - lengths).unsqueeze(-1)  # negative left of a row's first token
        with torch.no_grad():
            logits: torch.Tensor = self._model(
                input_ids=tokens,
                attention_mask=(places >= 0).long(),
                position_ids=places[:, -new:].clamp(min=0),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits
        return logits[:, -1].float()

    def _write(self, places: Sequence[DecodingRow | None], logits: torch.Tensor, sampler: Sampler) -> torch.Tensor:
        numbers = [0.0 if row is None else row.chance.random() for row in places]
        drawn = sampler.draw(logits, numbers)
        noted: list[Any] = [None] * len(places)
        if any(row is not None and row.logprobs for row in places):
            noted = logits.log_softmax(-1).gather(-1, drawn.unsqueeze(-1)).squeeze(-1).tolist()
        for row, token, logprob in zip(places, drawn.tolist(), noted, strict=True):
            if row is None:
                continue
            row.tokens.append(token)
            if row.logprobs:
                row.noted.append(logprob)
            row.ended = token in self._ends or (bool(row.stops) and self._is_stopped(row))
        return drawn

    def _is_stopped(self, row: DecodingRow) -> bool:
        """Return True if a stop string is in the last characters; earlier calls have looked at the ones before."""
        tail = self._decode(row.tokens[-_BYTES * max(map(len, row.stops)) - _BYTES :])
        return any(stop in tail for stop in row.stops)

    def _leave(self) -> list[DecodingRow]:
        """Remove the rows that are done, and return them."""
        done = [row for row in self.rows if row.done]
        if done:
            self.rows = [row for row in self.rows if not row.done]
            self._places = [None if row is None or row.done else row for row in self._places]
            if not self.rows:
                self.clear()
            elif (len(self._places) - len(self.rows)) * _SHARE_GONE >= len(self._places):
                self._compact()
        return done

    def _compact(self) -> None:
        """Remove the places of rows that are gone from the tensors, and the part of the cache that only they needed."""
        import torch

        if len(self._places) == len(self.rows):
            return
        device = self._lengths.device
        kept = torch.tensor([place for place, row in enumerate(self._places) if row is not None], device=device)
        longest = max(len(row.prompt) + len(row.tokens) - 1 for row in self.rows)
        for layer in _filled(self._cache):
            layer.keys, layer.values = layer.keys[kept, :, -longest:], layer.values[kept, :, -longest:]
        self._lengths, self._last = self._lengths[kept], self._last[kept]
        self._places = list(self.rows)
        self._sampler = Sampler([row.choice for row in self.rows], device)


def _filled(cache: DynamicCache) -> list[Any]:
    """Return the layers that hold keys and values; some models have layers that share those of others."""
    layers: list[Any] = cache.layers
    return [layer for layer in layers if layer.is_initialized]


def _widen(cache: DynamicCache, other: DynamicCache) -> None:
    """Add the rows of the cache ``other`` to a cache, flush right."""
    import torch
    from torch.nn.functional import pad

    for layer, added in zip(_filled(cache), _filled(other), strict=True):
        longest = max(layer.keys.shape[-2], added.keys.shape[-2])
        for name in ("keys", "values"):
            parts = [getattr(part, name) for part in (layer, added)]
            setattr(layer, name, torch.cat([pad(part, (0, 0, longest - part.shape[-2], 0)) for part in parts]))


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Return the tokens that end a reply, by the model's generation settings and by its tokenizer."""
    given = model.generation_config.eos_token_id if model.generation_config else None
    ends = given if isinstance(given, list) else [given]
    return frozenset(token for token in [*ends, tokenizer.eos_token_id] if token is not None)


def require_batchable(model: PreTrainedModel, name: str) -> None:
    """Raise `UsageError` for a model whose memory is more than keys and values, e.g. a state-space model."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    if any(
        type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer)
        for layer in DynamicCache(config=model.config).layers
    ):
        raise UsageError(
            f"{name} is of a kind ({model.config.model_type}) that cannot be batched here; vLLM may serve it"
        )
