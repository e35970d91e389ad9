"""Python's search for garbage while thousands of members are in flight."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

RARE = 100_000
"""Objects made and not yet freed before the next search; 700 by default."""

OLDER = 2
"""Searches among new objects for one among those that outlived one, as a finished question's do; 10 by default."""


@contextmanager
def rarely_searched() -> Iterator[None]:
    """Lets Python search for reference cycles less often, for the length of the ``with`` block.

    A member in flight is some 100 objects, none of them garbage, and each search walks over all of them: by default
    that was half of a call's own cost with 2,000 in flight. What no cycle holds is freed at once, as ever.
    """
    before = often, older, oldest = gc.get_threshold()
    if often:  # 0: switched off, and not by us
        gc.set_threshold(max(often, RARE), min(older, OLDER), oldest)
    try:
        yield
    finally:
        gc.set_threshold(*before)
