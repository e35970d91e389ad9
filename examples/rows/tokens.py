"""Lessons as tokens: which of them are learnt, and batches of equal length."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from examples.rows.lessons import Lesson

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

FACT_WEIGHT = 0.5
"""What a total or verdict in a candidate counts in the loss; a token of the response counts 1."""
TOTAL_WEIGHT = 4.0
"""What a total counts more than other tokens, for a model that knows nothing."""
POOL = 8
"""Batches that are drawn together and sorted by length."""
_MULTIPLE = 64  # lengths are padded to it: PyTorch keeps memory for every shape that it ever saw
_LEARNT = re.compile(r"=(?P<total>-?\d+\n)\w(?P<verdict> \w+)")


@dataclass(frozen=True, slots=True)
class Encoded:
    """One lesson in tokens.

    Attributes:
        ids: Prompt and response.
        weights: What each token counts in the loss; 0 for most of the prompt.
    """

    ids: list[int]
    weights: list[float]


def encoded(lesson: Lesson, tokenizer: PreTrainedTokenizerBase, *, whole: bool = False) -> Encoded:
    """Return a lesson's tokens and weights.

    Args:
        lesson: The lesson.
        tokenizer: The model's tokenizer, with a chat template.
        whole: For a model that knows nothing: all of a fact is learnt, so that there is more to copy, and totals count
            more than the rest. Else only totals and verdicts of facts are learnt.
    """
    prompt = str(
        tokenizer.apply_chat_template(
            [dict(turn) for turn in lesson.messages], add_generation_prompt=True, tokenize=False
        )
    )
    told = tokenizer(prompt, add_special_tokens=False, return_offsets_mapping=True)
    counted = {place for fact in lesson.facts for place in _places(prompt, fact, whole)}
    weights = [FACT_WEIGHT if start in counted else 0.0 for start, _ in told["offset_mapping"]]
    reply = tokenizer(lesson.response + str(tokenizer.eos_token), add_special_tokens=False)["input_ids"]
    ids, weights = [*told["input_ids"], *reply], [*weights, *(1.0 for _ in reply)]
    if whole:
        equals = tokenizer.convert_tokens_to_ids("=")
        weights = [weight * (TOTAL_WEIGHT if ids[i - 1] == equals else 1.0) for i, weight in enumerate(weights)]
    return Encoded(ids, weights)


def _places(prompt: str, fact: str, whole: bool) -> Iterator[int]:
    """Yield the places of all characters to learn where ``fact`` stands in the prompt."""
    for found in re.finditer(re.escape(fact), prompt):
        if whole:
            yield from range(*found.span())
        for part in _LEARNT.finditer(prompt, found.start(), found.end()):
            yield from range(*part.span("total"))
            yield from range(*part.span("verdict"))


def batch(step: int, size: int, seed: int, encode: Callable[[random.Random], Encoded]) -> list[Encoded]:
    """Return the lessons of one step. They follow from seed and step alone, so that a training can go on anywhere."""
    pool, place = divmod(step, POOL)
    lessons = [encode(random.Random(f"{seed}/rows/{pool}/{number}")) for number in range(POOL * size)]
    lessons.sort(key=lambda lesson: len(lesson.ids))
    order = random.Random(f"{seed}/rows/{pool}").sample(range(POOL), POOL)
    start = order[place] * size
    return lessons[start : start + size]


def tensors(lessons: list[Encoded], padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and weights, each of shape (lessons, length), padded on the right."""
    import torch

    length = -(-max(len(lesson.ids) for lesson in lessons) // _MULTIPLE) * _MULTIPLE
    ids = torch.full((len(lessons), length), padding)
    weights = torch.zeros(ids.shape)
    for place, lesson in enumerate(lessons):
        ids[place, : len(lesson.ids)] = torch.tensor(lesson.ids)
        weights[place, : len(lesson.ids)] = torch.tensor(lesson.weights)
    return ids, weights
