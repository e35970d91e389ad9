"""Replies that a transformers model writes together: finished ones leave and others join at any token."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from selfagg._internal.machine import memory
from selfagg.errors import UsageError

if TYPE_CHECKING:
    import torch
    from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

_SHARE_GONE = 8
"""The batch's tensors shrink when one row in so many is done: each time, the cache is copied."""
_BYTES = 4
"""Most tokens that a character may be spread over."""
_PREFILL = 16_384
"""Most tokens of prompts that are read at once: more need memory and gain nothing."""
_JOIN_SHARE, _JOIN_STEPS = 4, 16
"""Rows join a running batch once they are a quarter of it, or after so many tokens: each join costs a step."""
_FREE_SHARE = 2
"""Of what is free on the device, the cache may take half: the other half is for what a step needs."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The settings by which the tokens of a row are chosen."""

    temperature: float = 1.0  # 0 takes the likeliest token
    top_p: float = 1.0
    top_k: int = 0  # only so many of the likeliest tokens; 0 for all
    min_p: float = 0.0  # only tokens with at least this share of the likeliest token's probability


@dataclass(eq=False, slots=True)
class DecodingRow:
    """One reply in the making."""

    prompt: list[int]
    limit: int  # most new tokens
    choice: Choice
    chance: random.Random
    stops: tuple[str, ...] = ()
    logprobs: bool = False
    tokens: list[int] = field(default_factory=list)  # written so far; the token that ends a reply included
    noted: list[float] = field(default_factory=list)  # their log-probabilities, at a temperature of 1
    ended: bool = False  # by a token of the model's own or a stop string
    cancelled: bool = False  # set by whoever gave up waiting
    start: float = field(default_factory=time.perf_counter)

    @property
    def done(self) -> bool:
        return self.ended or self.cancelled or len(self.tokens) >= self.limit

    @property
    def most(self) -> int:
        return len(self.prompt) + self.limit


class Decoding:
    """A batch in the middle of being written. For one thread at a time.

    The rows' keys and values lie flush right in one cache, so that all rows write at its end; what is left of a
    shorter row is masked. Layers with a sliding window keep all tokens, and mask those out of it.
    """

    def __init__(self, model: PreTrainedModel, decode: Callable[[list[int]], str], ends: frozenset[int]) -> None:
        """Create an empty batch; ``decode`` turns tokens into text, for stop strings, and ``ends`` end a reply."""
        self._model, self._decode, self._ends = model, decode, ends
        self.rows: list[DecodingRow] = []
        self._places: list[DecodingRow | None]  # the rows of the tensors; None: done, and not taken out yet
        self._cache: DynamicCache
        self._lengths: torch.Tensor  # of each place: tokens in the cache
        self._last: torch.Tensor  # of each place: the token written last, which is not in the cache yet
        self.clear()

    def join(self, rows: Sequence[DecodingRow]) -> list[DecodingRow]:
        """Read the prompts of further rows, and what is written of them; write a token each; return those done now."""
        import torch
        from transformers import DynamicCache

        texts = [row.prompt + row.tokens for row in rows]
        longest, device = max(map(len, texts)), self._model.device
        padded = torch.tensor([[0] * (longest - len(text)) + text for text in texts], device=device)
        lengths = torch.tensor([len(text) for text in texts], device=device)
        cache = DynamicCache()
        last = self._write(rows, self._forward(padded, lengths, cache))
        if self.rows:
            self._compact()
            _widen(self._cache, cache)
            self._lengths, self._last = torch.cat([self._lengths, lengths]), torch.cat([self._last, last])
        else:
            self._cache, self._lengths, self._last = cache, lengths, last
        self.rows += rows
        self._places += rows
        return self._leave()

    def step(self) -> list[DecodingRow]:
        self._lengths = self._lengths + 1
        self._last = self._write(self._places, self._forward(self._last.unsqueeze(-1), self._lengths, self._cache))
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

    def _write(self, places: Sequence[DecodingRow | None], logits: torch.Tensor) -> torch.Tensor:
        numbers = [0.0 if row is None else row.chance.random() for row in places]
        drawn = draw(logits, [row.choice if row else Choice(0.0) for row in places], numbers)
        noted: list[Any] = [None] * len(places)
        if any(row is not None and row.logprobs for row in places):
            noted = logits.log_softmax(-1).gather(-1, drawn.unsqueeze(-1)).squeeze(-1).tolist()
        for row, token, logprob in zip(places, drawn.tolist(), noted, strict=True):
            if row is None:
                continue
            row.tokens.append(token)
            row.noted += [logprob] if row.logprobs else []
            row.ended = token in self._ends
            if row.stops and not row.ended:  # in the last characters: earlier calls have looked at the ones before
                tail = self._decode(row.tokens[-_BYTES * max(map(len, row.stops)) - _BYTES :])
                row.ended = any(stop in tail for stop in row.stops)
        return drawn

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


def draw(logits: torch.Tensor, choices: Sequence[Choice], numbers: Sequence[float]) -> torch.Tensor:
    """Draw the next token of each row: the one at which the summed probabilities pass the row's random number.

    So its choice hangs on nothing but its own logits, of shape (rows, vocabulary), and its own number of [0, 1).
    """
    import torch

    likeliest = logits.argmax(-1)
    if all(choice.temperature == 0 for choice in choices):
        return likeliest

    def column(values: Sequence[float], dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.tensor(values, dtype=dtype, device=logits.device).unsqueeze(-1)

    temperatures = column([choice.temperature for choice in choices])
    probabilities = (logits / temperatures.clamp(min=1e-6)).softmax(-1)
    cut = [place for place, one in enumerate(choices) if one.temperature and (one.top_p < 1 or one.top_k or one.min_p)]
    if cut:  # the cut tokens get 0; the likeliest token always stays
        ordered, tokens = probabilities[cut].sort(dim=-1, descending=True, stable=True)
        size = ordered.shape[-1]
        keep = (ordered.cumsum(-1) - ordered) < column([choices[place].top_p for place in cut])
        keep &= torch.arange(size, device=logits.device) < column(
            [float(choices[place].top_k or size) for place in cut]
        )
        keep &= ordered >= column([choices[place].min_p for place in cut]) * ordered[:, :1]
        keep[:, 0] = True
        probabilities[cut] = torch.zeros_like(ordered).scatter(-1, tokens, ordered * keep)
    precise = torch.float32 if logits.device.type == "mps" else torch.float64  # MPS has none of 64 bits
    summed = probabilities.cumsum(-1, dtype=precise)
    marks = column(numbers, precise) * summed[:, -1:]
    drawn = torch.searchsorted(summed, marks, right=True).squeeze(-1).clamp(max=logits.shape[-1] - 1)
    return torch.where(temperatures.squeeze(-1) == 0, likeliest, drawn)


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


Outcome = tuple[DecodingRow, Exception | None]


class Queue:
    """Rows that wait to be written, as many at once as memory holds, alike in length."""

    def __init__(self, decoding: Decoding, *, most: int, room: int) -> None:
        self._most, self._room = most, room  # rows at once, and tokens in the cache: falls when memory ran out
        self.arrived: deque[DecodingRow] = deque()  # any thread may append, the one that runs empties it
        self._decoding = decoding
        self._waiting: list[DecodingRow] = []
        self._steps = 0

    def run(self, deliver: Callable[[Sequence[Outcome]], None]) -> None:
        """Write until nothing waits; hand out the rows that are done, each with the failure if it failed."""
        running = self._decoding
        while True:
            while self.arrived:
                self._waiting.append(self.arrived.popleft())
            self._waiting = [row for row in self._waiting if not row.cancelled]
            joining = self._joining()
            if not joining and not running.rows:
                return
            try:
                done = running.join(joining) if joining else running.step()
            except Exception as error:
                deliver(self._failed(error, [*running.clear(), *joining]))
                continue
            self._steps = 0 if joining else self._steps + 1
            if done:
                deliver([(row, None) for row in done])

    def _joining(self) -> list[DecodingRow]:
        """Return the rows that join the batch now: the one that waits longest and those most like it."""
        running = self._decoding.rows
        if not self._waiting:
            return []
        if running and len(self._waiting) * _JOIN_SHARE < len(running) and self._steps < _JOIN_STEPS:
            return []
        first = self._waiting[0]
        chosen: list[DecodingRow] = []
        longest = max((row.most for row in running), default=0)
        prompt = 0
        for row in sorted(self._waiting, key=lambda row: abs(row.most - first.most)):
            longest, prompt = max(longest, row.most), max(prompt, len(row.prompt) + len(row.tokens))
            rows = len(running) + len(chosen) + 1
            fits = rows <= self._most and rows * longest <= self._room and (len(chosen) + 1) * prompt <= _PREFILL
            if not fits and (chosen or running):
                break
            chosen.append(row)
        taken = set(chosen)
        self._waiting = [row for row in self._waiting if row not in taken]
        return chosen

    def _failed(self, error: Exception, rows: list[DecodingRow]) -> list[Outcome]:
        """Return the outcomes of a batch that could not be written; out of memory, try half as much at once instead."""
        import torch

        full = isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(error)
        if not full or len(rows) == 1:
            return [(row, error) for row in rows]
        if torch.accelerator.is_available():
            torch.accelerator.empty_cache()  # fragments of what torch keeps in reserve may be missing
        self._room = min(self._room, len(rows) * max(row.most for row in rows)) // 2
        self._waiting = rows + self._waiting
        return []


def cache_room(model: PreTrainedModel) -> int:
    """Return the tokens of a model's key-value cache that fit into half of the memory that is free now."""
    import torch

    text: Any = model.config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    token: int = 2 * text.num_hidden_layers * heads * width * model.dtype.itemsize
    if model.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(model.device)
    else:
        free = memory() // _FREE_SHARE
    return max(1, free // _FREE_SHARE // token)


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Return the tokens that end a reply, by the model's generation settings and by its tokenizer."""
    given = model.generation_config.eos_token_id if model.generation_config else None
    ends = given if isinstance(given, list) else [given]
    return frozenset(token for token in [*ends, tokenizer.eos_token_id] if token is not None)


def require_batchable(model: PreTrainedModel, name: str) -> None:
    """Raise `UsageError` for a model whose memory is more than keys and values, e.g. a state-space model."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    known = (DynamicLayer, DynamicSlidingWindowLayer)
    if any(type(layer) not in known for layer in DynamicCache(config=model.config).layers):
        kind = model.config.model_type
        raise UsageError(f"{name} is of a kind ({kind}) that cannot be batched here; vLLM may serve it")
