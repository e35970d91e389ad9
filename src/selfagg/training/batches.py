"""Micro-batches without the padding that TRL gives them: it pads all of a step to its longest prompt and response.

Half of the prompts of aggregation-aware training are plain, and many times shorter than those with candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

Batch = dict[str, Any]
T = TypeVar("T")


def by_length(batches: Sequence[Batch]) -> list[Batch]:
    """Return the same rows in as many batches of the same size, with rows of similar length together.

    All batches of a step make one gradient, so it does not matter which row is in which.
    """
    masks = [batch["prompt_mask"].sum(1) + batch["completion_mask"].sum(1) for batch in batches]
    order = torch.argsort(torch.cat(masks), stable=True)
    return [_joined(batches, chosen) for chosen in order.chunk(len(batches))]


def narrowed(batch: Batch, *, response: bool) -> Batch:
    """Remove the columns that are padding in every row: left of the prompts and, if asked for, right of responses."""
    longest = max(1, int(batch["prompt_mask"].sum(1).max()))
    cut = {name: batch[name][:, -longest:] for name in ("prompt_ids", "prompt_mask")}
    if response:
        longest = max(1, int(batch["completion_mask"].sum(1).max()))
        cut |= {name: batch[name][:, :longest] for name in ("completion_ids", "completion_mask")}
    return {**batch, **cut}


def in_parts(prompts: Sequence[list[int]], at_once: int, sample: Callable[[list[list[int]]], list[T]]) -> list[T]:
    """Sample for at most ``at_once`` prompts of similar length at a time; return the results in the prompts' order."""
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    results: dict[int, T] = {}
    for start in range(0, len(order), at_once):
        part = order[start : start + at_once]
        results.update(zip(part, sample([prompts[place] for place in part]), strict=True))
    return [results[place] for place in range(len(prompts))]


def _joined(batches: Sequence[Batch], rows: torch.Tensor) -> Batch:
    joined: Batch = {}
    for name, value in batches[0].items():
        per_row = isinstance(value, torch.Tensor) and value.ndim > 0
        joined[name] = torch.cat([batch[name] for batch in batches])[rows] if per_row else value
    return joined
