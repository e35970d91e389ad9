"""Lets runs share their first samples, so that the noise these have in common cancels when runs are compared."""

from __future__ import annotations

from selfagg.engine.record import Record
from selfagg.methods.base import Method

COMPARABLE = ("model", "sampling", "seed", "source")
"""What two runs must have in common for a first sample of one to be a first sample of the other."""


def share_first_samples(source: Record, target: Record, method: Method) -> int:
    """Copies the first samples that ``method`` needs from one record into another that has begun.

    A first sample's seed and prompt do not depend on the method, so a copied one is the very one that the target's
    run would ask for. It counts among the target's calls and tokens like any other.

    Returns:
        How many were copied; 0 where the runs are not comparable, or where a vote may end before it needs them all.
    """
    theirs, ours = source.configuration, target.configuration
    if method.vote_rule or any(theirs.get(key) != ours.get(key) for key in COMPARABLE):
        return 0
    return target.copy_from(
        source, where="t = 1 AND i < ? AND role = 'candidate' AND error IS NULL", values=(method.n,)
    )
