"""Whatever comes from outside, nothing but our own errors comes out. `targets.py` looks longer, with atheris."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.skeletons import SKELETONS, as_bytes, odd
from tests.fuzz.targets import TARGETS, words

EXAMPLES = int(os.environ.get("SELFAGG_EXAMPLES", "25"))


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_unforeseen_comes_out(target: str) -> None:
    pieces = [word.encode() for word in words(target)]
    composed = st.lists(st.sampled_from(pieces), max_size=30).map(b"".join) if pieces else st.binary(max_size=60)

    @settings(max_examples=EXAMPLES)
    @given(composed | st.binary(max_size=200))
    def look(data: bytes) -> None:
        TARGETS[target](data)

    look()


@pytest.mark.parametrize("target", SKELETONS)
def test_nothing_unforeseen_comes_out_of_what_is_almost_right(target: str) -> None:
    @settings(max_examples=4 * EXAMPLES)
    @given(st.sampled_from(SKELETONS[target]).flatmap(odd))
    def look(value: object) -> None:
        TARGETS[target](as_bytes(target, value))

    look()
