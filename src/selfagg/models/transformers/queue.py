"""The queue of replies that a transformers model writes together: as many as memory holds, alike in length."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from selfagg._internal.machine import memory
from selfagg.models.transformers.decoding import Decoding, DecodingRow

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_PREFILL = 16_384
"""Most tokens of prompts that are read at once: more need memory and gain nothing."""
_JOIN_SHARE, _JOIN_STEPS = 4, 16
"""Rows join a running batch once they are a quarter of it, or after so many tokens: each join costs a step."""
_FREE_SHARE = 2
"""Of what is free on the device, the cache may take half: the other half is for what a step needs."""

Outcome = tuple[DecodingRow, Exception | None]


class Queue:
    """Rows that wait to be written, and the batch of those that are.

    Attributes:
        most: Most rows at once.
        room: Tokens that the cache has room for; falls when memory ran out.
    """

    def __init__(self, decoding: Decoding, *, most: int, room: int) -> None:
        self.most = most
        self.room = room
        self._decoding = decoding
        self._arrived: deque[DecodingRow] = deque()  # written by the event loop's thread, emptied by the one that runs
        self._waiting: list[DecodingRow] = []
        self._steps = 0

    def __len__(self) -> int:
        """Return the number of rows that arrived and were not looked at yet."""
        return len(self._arrived)

    def add(self, row: DecodingRow) -> None:
        """Add a row; any thread may call."""
        self._arrived.append(row)

    def run(self, deliver: Callable[[Sequence[Outcome]], None]) -> None:
        """Write until nothing waits; block until then.

        Args:
            deliver: Given the rows that are done, as soon as they are, each with the failure if it failed.
        """
        running = self._decoding
        while True:
            self._collect()
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

    def _collect(self) -> None:
        while self._arrived:
            self._waiting.append(self._arrived.popleft())
        self._waiting = [row for row in self._waiting if not row.cancelled]

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
            fits = rows <= self.most and rows * longest <= self.room and (len(chosen) + 1) * prompt <= _PREFILL
            if not fits and (chosen or running):
                break
            chosen.append(row)
        taken = set(chosen)
        self._waiting = [row for row in self._waiting if row not in taken]
        return chosen

    def _failed(self, error: Exception, rows: list[DecodingRow]) -> list[Outcome]:
        """Return the outcomes of a batch that could not be written; out of memory, try half as much at once instead."""
        if not _is_memory(error) or len(rows) == 1:
            return [(row, error) for row in rows]
        _empty_cache()
        self.room = min(self.room, len(rows) * max(row.most for row in rows)) // 2
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


def _is_memory(error: Exception) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(error)


def _empty_cache() -> None:
    """Hand memory that torch keeps in reserve back to the device, where fragments of it may be missing."""
    import torch

    if torch.accelerator.is_available():
        torch.accelerator.empty_cache()
