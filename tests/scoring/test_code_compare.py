"""When an output counts as the expected one: LiveCodeBench's rules."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.errors import UsageError
from selfagg.sandbox.guest.values import encode
from selfagg.scoring.code_compare import same_output, same_value


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", ""),
        ("1\n2\n", "1\n2"),
        ("  a b  \r\n c\n\n", "a b\nc"),
        ("1.0 2", "1 2.00"),
        ("1e3", "1000"),
        ("1   2", "1 2"),
        ("-0", "0"),
        ("50000000000000001", "50000000000000001.0"),
        ("+5", "5"),
    ],
)
def test_the_same_output(written: str, expected: str) -> None:
    assert same_output(written, expected)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", "1"),
        ("1", ""),
        ("1 2", "1\n2"),
        ("1\n\n2", "1\n2"),
        ("a  b", "a b"),
        ("YES", "Yes"),
        ("0.1", "0.10000001"),
        ("50000000000000000", "50000000000000001"),
        ("nan", "NaN"),
        ("1 2 3", "1 2"),
        ("1", "1 1"),
        ("1,2", "1, 2"),
        ("0x10", "16"),
        ("1_000 x", "1000 x"),
    ],
)
def test_another_output(written: str, expected: str) -> None:
    assert not same_output(written, expected)


@given(st.text(), st.text())
def test_comparing_never_fails(written: str, expected: str) -> None:
    same_output(written, expected)
    assert same_output(written, written)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, 2], "[1, 2]"),
        ((1, 2), "[1,2]"),
        (1.0, "1"),
        (True, "1"),
        ([[]], "[[]]"),
        ({"b": [1], "a": 2**70}, json.dumps({"a": 2**70, "b": [1]})),
        ("é", '"é"'),
        (Decimal("0.5"), "0.5"),
        (None, "null"),
    ],
)
def test_the_same_value(value: object, expected: str) -> None:
    assert same_value(json.dumps(encode(value)), expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([(1, 2)], "[[1, 2]]"),
        ({1, 2}, "[1, 2]"),
        ([1, 2], "[1, 2, 3]"),
        ("1", "1"),
        ({1: 2}, '{"1": 2}'),
        ({"a": 1, "b": 2}, '{"a": 1}'),
        (None, "false"),
        (Decimal("0.5"), "0.25"),
        (float("nan"), "NaN"),
        (b"a", '"a"'),
        (object(), '"<object>"'),
        ([1], "1"),
        ({}, "[]"),
    ],
)
def test_another_value(value: object, expected: str) -> None:
    assert not same_value(json.dumps(encode(value)), expected)


@pytest.mark.parametrize("digits", [4_000, 4_001, 4_301, 50_000])
@pytest.mark.parametrize("sign", [1, -1])
def test_integers_of_any_length_are_exact(digits: int, sign: int) -> None:
    value, expected = sign * 10 ** (digits - 1), f"[{'-' * (sign < 0)}1{'0' * (digits - 1)}]"
    assert same_value(json.dumps(encode([value])), expected)
    assert not same_value(json.dumps(encode([value + 1])), expected)
    assert not same_value(json.dumps(encode([-value])), expected)


@pytest.mark.parametrize(
    "written",
    ["", "[", "[" * 100_000, "1" * 5_000, '{"dict": 3}', '{"dict": [1]}', '{"dict": [["a", 1], ["a", 1]]}', '{"a": 1}'],
)
def test_what_a_program_may_write_is_just_wrong(written: str) -> None:
    assert not same_value(written, '{"a": 1}')


def test_an_expected_value_must_be_json() -> None:
    with pytest.raises(UsageError, match="an expected value is not JSON"):
        same_value("1", "one")
