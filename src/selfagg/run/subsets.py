"""The candidates that each aggregation sees: all sets of a run follow from its seed, before the first token.

A set is drawn from its own address alone, (seed, question, t, i), so a run of T populations holds every run of
fewer, and asking for one member draws nothing for the others.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from typing import Literal

Order = Literal["random", "prefix"]
Set = tuple[int, ...]


def address_seed(*address: object) -> int:
    """Return a seed below 2**31 that belongs to an address and to no other."""
    digest = hashlib.sha256("/".join(map(str, address)).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def address_random(*address: object) -> random.Random:
    """Return a random generator that belongs to an address."""
    return random.Random("/".join(map(str, address)))


def draw_set(seed: int, question: str, t: int, i: int, *, n: int, k: int) -> Set:
    """Draw the aggregation set of member ``i`` of population ``t``: ``k`` of ``n`` members of ``t - 1``.

    Uniform, without replacement inside the set, independent of every other set (arXiv 2509.26626, section 3).
    """
    return tuple(address_random(seed, question, "set", t, i).sample(range(n), k))


def draw_sets(
    seed: int, question: str, t: int, *, n: int, k: int, size: int | None = None, order: Order = "random"
) -> list[Set]:
    """Draw the sets of all ``size`` (default ``n``) members of population ``t``, their candidates in prompt order."""
    sets = [draw_set(seed, question, t, i, n=n, k=k) for i in range(n if size is None else size)]
    return along_prefix_tree(sets) if order == "prefix" else sets


def along_prefix_tree(sets: Sequence[Set]) -> list[Set]:
    """Reorder each set so that as many as possible begin alike, for a server's prefix cache.

    The most common member goes first in every set that holds it, then the same within those sets and within the
    rest. Which members a set holds does not change.
    """
    ordered: list[list[int]] = [[] for _ in sets]
    left = [set(members) for members in sets]

    def grow(group: list[int]) -> None:
        while counts := Counter(member for s in group for member in left[s]):
            first = min(counts, key=lambda member: (-counts[member], member))
            branch = [s for s in group if first in left[s]]
            for s in branch:
                ordered[s].append(first)
                left[s].discard(first)
            group = [s for s in group if s not in branch]
            grow(branch)

    grow(list(range(len(sets))))
    return [tuple(members) for members in ordered]
