"""What the commands that run methods read for themselves: text, numbers, shards."""

from __future__ import annotations

import pytest

from selfagg.cli.runs import numbers, shard_named, utf8
from selfagg.errors import UsageError


def test_text_that_is_not_utf8() -> None:
    assert utf8("stdin", "ß ·".encode()) == "ß ·"
    with pytest.raises(UsageError, match=r"stdin is not UTF-8 text \(byte 3\)"):
        utf8("stdin", b"ab\xff")


def test_numbers_with_commas() -> None:
    assert numbers("--n", "4, 8") == [4, 8]
    assert numbers("--n", "1") == [1]


@pytest.mark.parametrize("text", ["4,x", "", "0", "4,,8", "-1", "²", "1.5"])
def test_numbers_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match=r"--n .*: it must be whole numbers from 1"):
        numbers("--n", text)


def test_a_shard() -> None:
    assert [shard_named(text) for text in ("1/1", "2/8", "8/8", None)] == [(1, 1), (2, 8), (8, 8), None]


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3", "", "/"])
def test_a_shard_that_there_is_not(shard: str) -> None:
    with pytest.raises(UsageError) as refused:
        shard_named(shard)
    assert str(refused.value) == f"--shard {shard}: write I/N, I from 1 to N, such as 2/8"
