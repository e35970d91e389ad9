"""Share the first samples between runs, so that their common noise cancels when runs are compared."""

from __future__ import annotations

from selfagg.methods.base import Method
from selfagg.record.record import Record

COMPARABLE = ("model", "sampling", "seed", "source", "wording")
"""The settings that must be equal for a first sample of one run to be a first sample of another."""


def share_first_samples(source: Record, target: Record, method: Method) -> int:
    """Copy the first samples that ``method`` needs from one record into another that has begun.

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
