"""Values cross between processes with their types, and nothing but plain data does."""

from __future__ import annotations

import collections
import enum
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.sandbox.guest.messages import Opaque, decode, encode

HASHABLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.tuples(inner) | st.frozensets(inner),
    max_leaves=5,
)
VALUES = st.recursive(
    HASHABLE | st.complex_numbers(allow_nan=False),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(HASHABLE, inner) | st.sets(HASHABLE),
    max_leaves=10,
)


def cross(value: Any) -> Any:
    return decode(json.loads(json.dumps(encode(value))))


@given(VALUES)
def test_plain_values_cross_unchanged(value: Any) -> None:
    crossed = cross(value)
    assert crossed == value
    assert repr(crossed) == repr(value) or isinstance(value, set | frozenset | dict | list | tuple)


def test_types_are_kept_apart() -> None:
    values = [1, 1.0, True, "1", (1,), [1], {1}, frozenset({1}), b"1", {1: 1}, {"1": 1}]
    assert [type(cross(value)) for value in values] == [type(value) for value in values]
    assert type(next(iter(cross({True: 1})))) is bool


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (collections.Counter("ab"), {"a": 1, "b": 1}),
        (collections.OrderedDict(x=1), {"x": 1}),
        (enum.IntEnum("E", {"A": 3}).A, 3),  # type: ignore[attr-defined]
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (bytearray(b"x"), b"x"),
    ],
)
def test_what_is_nearly_plain_becomes_plain(value: Any, plain: Any) -> None:
    crossed = cross(value)
    assert crossed == plain
    assert type(crossed) is type(plain)


@pytest.mark.parametrize("value", [object(), iter([1]), range(3), {1}.__len__, np.zeros(2), collections.deque([1])])
def test_other_objects_become_opaque(value: Any) -> None:
    crossed = cross([value])
    assert isinstance(crossed[0], Opaque)


def test_an_object_without_a_repr_becomes_opaque() -> None:
    class Hostile:
        def __repr__(self) -> str:
            raise RuntimeError

    assert repr(cross(Hostile())) == "<Hostile>"


@pytest.mark.parametrize("made", [{}, {"a": 1, "b": 2}, {"eval": "1"}, {"dict": 3}, {"set": [[1]]}, {"int": [1]}])
def test_what_encode_never_makes_is_refused(made: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        decode(made)
