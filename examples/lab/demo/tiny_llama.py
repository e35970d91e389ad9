"""A connection of one's own to a real language model: the lab's Llama in numpy, from one file.

It reads and writes what ``hf:`` with the same weights does: the same tokens of a prompt, the same greedy replies.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from examples.lab.demo.llama import forward
from examples.lab.model import CONTEXT, END, KNOWN, PAD

import selfagg
from selfagg.types import Message

_GATHERING_S = 0.002  # calls that arrive within this time are written together


class TinyLlama(selfagg.AlwaysOpen):
    """The lab's model. Each call draws its tokens by its own seed, whatever else is written at the same time."""

    concurrency = 1024
    context: int | None = CONTEXT

    def __init__(self, file: Path) -> None:
        with np.load(file) as stored:
            self.words: list[str] = stored["words"].tolist()
            # In float64, so that no draw hangs on the order of sums, which other calls in the batch decide.
            self.weights = {name: stored[name].astype(np.float64) for name in stored.files if name != "words"}
        self.name = f"lab:{file.stem}"
        self._waiting: list[tuple[list[int], selfagg.Request]] = []

    def tokens(self, messages: Sequence[Message]) -> list[int]:
        """Return the prompt's tokens: the words that the model knows. All others are passed over."""
        found = re.findall(KNOWN, "\n".join(str(message["content"]) for message in messages))
        return [self.words.index(word if word in self.words else PAD) for word in found]

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the number of the prompt's tokens."""
        return len(self.tokens(messages))

    async def sample(self, request: selfagg.Request) -> selfagg.Reply:
        """Write one reply, together with those of all calls that come within two milliseconds."""
        prompt, sampling = self.tokens(request.messages), request.sampling
        if sampling.top_p not in (None, 1.0) or sampling.stop or sampling.extra_body:
            raise selfagg.ModelError(f"{self.name} knows no setting but temperature and max_tokens", fatal=True)
        if not 0 < len(prompt) < CONTEXT:
            raise selfagg.ContextOverflow(f"{self.name} reads 1 to {CONTEXT - 1} tokens, not {len(prompt)}")
        self._waiting.append((prompt, request))
        place = len(self._waiting) - 1
        if place == 0:
            self._batch = asyncio.ensure_future(self._written())
        return (await asyncio.shield(self._batch))[place]

    async def _written(self) -> dict[int, selfagg.Reply]:
        await asyncio.sleep(_GATHERING_S)
        waiting, self._waiting = self._waiting, []
        groups, replies = defaultdict(list), {}
        for place, (prompt, request) in enumerate(waiting):
            room = CONTEXT - len(prompt)
            groups[len(prompt), min(room, request.sampling.max_tokens or room)].append(place)
        for (length, most), places in groups.items():
            for place, tokens in zip(places, self._sampled([waiting[place] for place in places], most), strict=True):
                replies[place] = self._reply(tokens, length)
        return replies

    def _reply(self, tokens: list[int], prompt: int) -> selfagg.Reply:
        words = [self.words[token] for token in tokens]
        stop = selfagg.Stop.FINISHED if END in words else selfagg.Stop.LENGTH
        words = words[: words.index(END) + 1] if END in words else words
        text = " ".join(word for word in words if word not in (PAD, END))
        return selfagg.Reply(text, stop=stop, usage=selfagg.Usage(prompt=prompt, completion=len(words)))

    def _sampled(self, calls: list[tuple[list[int], selfagg.Request]], most: int) -> list[list[int]]:
        """Draw ``most`` tokens after each prompt, all of one length; equal prompts are read once."""
        draws = np.array([np.random.default_rng(request.seed).random(most) for _, request in calls])
        heats = np.array([[max(request.sampling.temperature, 1e-9)] for _, request in calls])
        different, copies = np.unique([prompt for prompt, _ in calls], axis=0, return_inverse=True)
        logits, cache = forward(self.weights, different, [])
        logits, cache = logits[copies], [(keys[copies], values[copies]) for keys, values in cache]
        written = np.empty((len(calls), most), int)
        for step in range(most):
            chances = np.exp((logits - logits.max(-1, keepdims=True)) / heats).cumsum(-1)
            written[:, step] = (chances < draws[:, step, None] * chances[:, -1:]).sum(-1)
            logits, cache = forward(self.weights, written[:, step, None], cache)
        return written.tolist()
