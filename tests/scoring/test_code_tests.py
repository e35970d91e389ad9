"""The tests of a programming problem, and when an output counts as the expected one: LiveCodeBench's rules."""

from __future__ import annotations

import base64
import json
import os
import pickle
import zlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.errors import UsageError
from selfagg.sandbox.guest.messages import encode
from selfagg.scoring.code_tests import Case, Cases, Check, read_tests, same_output, same_value, unpack_cases

TESTS = [{"input": "1\n", "output": "é\u2028😀", "testtype": "stdin"}, {"input": "", "output": "", "testtype": "stdin"}]
CASES = [Case("1\n", "é\u2028😀"), Case("", "")]


def packed(pickled: bytes) -> str:
    return base64.b64encode(zlib.compress(pickled)).decode()


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [1, 200, 2_000])  # the last is longer than a frame of pickle, 64 KiB
def test_packed_tests_are_unpacked(protocol: int, size: int) -> None:
    text = json.dumps(TESTS * size)
    assert unpack_cases(packed(pickle.dumps(text, protocol))) == CASES * size


def test_tests_that_are_not_packed_are_read_too() -> None:
    assert unpack_cases(json.dumps(TESTS)) == CASES


class Runs:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def test_a_pickle_that_runs_a_command_runs_none(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    bomb = pickle.dumps(Runs(proof))
    pickle.loads(bomb)
    assert proof.exists(), "the attack itself must work"
    proof.unlink()
    with pytest.raises(UsageError, match="a pickle of more than a text"):
        unpack_cases(packed(bomb))
    assert not proof.exists()


TEXT = json.dumps(TESTS)
HOSTILE = {
    "a global": b"cos\nsystem\n(S'true'\ntR.",
    "a stack global": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
    "a persistent id": b"\x80\x02Pthing\n.",
    "an extension": b"\x80\x02\x82\x01.",
    "an instance": b"(ios\nsystem\n.",
    "a list": pickle.dumps([TEXT]),
    "bytes": pickle.dumps(TEXT.encode()),
    "two texts": b"\x80\x04\x8c\x01[\x8c\x01].",
    "no text": b"\x80\x04.",
    "a memo of 32 GB": b"\x80\x02X\x02\x00\x00\x00[]r\xff\xff\xff\xff0.",
    "a text of 8 EB": b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fx.",
    "a buffer": b"\x80\x05\x97.",
    "no end": b"\x80\x04\x8c\x02[]",
    "no pickle": b"\xff\xff",
    "nothing": b"",
    "no JSON": pickle.dumps("{"),
    "other JSON": pickle.dumps('[{"input": "1"}]'),
    "deep JSON": pickle.dumps("[" * 100_000),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_other_pickles_are_refused(what: str) -> None:
    with pytest.raises(UsageError, match="not in LiveCodeBench's form"):
        unpack_cases(packed(HOSTILE[what]))


def test_a_bomb_of_zeros_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfagg.scoring.code_tests._MOST_BYTES", 1 << 20)
    with pytest.raises(UsageError, match="larger than"):
        unpack_cases(packed(bytes(1 << 24)))


@given(st.binary() | st.binary().map(zlib.compress))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with pytest.raises(UsageError):
        unpack_cases(base64.b64encode(content).decode())


@pytest.mark.parametrize("text", ["", "?", "ü", "AAAA", "[", "[1]", "[[1, 2]]"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        unpack_cases(text)


def test_the_three_formats() -> None:
    assert read_tests({"format": "stdin", "cases": [["a", "b"]], "packed": TEXT}) == Cases(
        None, [Case("a", "b"), *CASES]
    )
    function = {"format": "function", "function": "f", "cases": [["1", "2"]], "seconds": 2}
    assert read_tests(function) == Cases("f", [Case("1", "2")], 2)
    check = {"format": "check", "prompt": "p", "test": "t", "function": "f"}
    assert read_tests(check) == Check("p", "t", "f")


def test_tests_are_found_in_their_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    first, second = (json.dumps({"private_test_cases": text}) + "\n" for text in ("[]", TEXT))
    path.write_text(first + second)
    data = {"format": "stdin", "packed_in": {"path": str(path), "start": len(first), "length": len(second)}}
    assert read_tests(data) == Cases(None, CASES)
    gone = {"format": "stdin", "packed_in": {"path": str(tmp_path / "gone"), "start": 0, "length": 5}}
    with pytest.raises(UsageError, match="gone no longer holds the tests"):
        read_tests(gone)


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


def test_a_problem_without_tests_is_refused() -> None:
    with pytest.raises(UsageError, match="a programming problem has no tests"):
        read_tests({"format": "stdin", "cases": []})
