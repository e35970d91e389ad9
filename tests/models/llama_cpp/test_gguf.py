from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfagg.errors import UsageError
from selfagg.models.llama_cpp.gguf import Gguf, read_gguf
from selfagg.models.llama_cpp.weights import find_weights


def string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def value(item: Any) -> bytes:
    match item:
        case str():
            return struct.pack("<I", 8) + string(item)
        case float():
            return struct.pack("<If", 6, item)
        case int():
            return struct.pack("<II", 4, item)
        case [str(), *_]:
            return struct.pack("<IIQ", 9, 8, len(item)) + b"".join(map(string, item))
        case _:
            return struct.pack(f"<IIQ{len(item)}I", 9, 4, len(item), *item)


def gguf(fields: dict[str, Any], version: int = 3) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", version, 0, len(fields))
    return head + b"".join(string(name) + value(item) for name, item in fields.items())


FIELDS: dict[str, Any] = {
    "general.architecture": "toy",
    "general.name": "Spielzeug 🧸",
    "toy.rope.freq_base": 10000.0,
    "tokenizer.ggml.tokens": ["a", "", "längst"],
    "tokenizer.ggml.token_type": [1, 1, 3],
    "toy.context_length": 4096,
    "toy.block_count": 10,
    "toy.embedding_length": 512,
    "toy.attention.head_count": 8,
}


def read(tmp_path: Path, data: bytes) -> Gguf:
    path = tmp_path / "toy.gguf"
    path.write_bytes(data)
    return read_gguf(path)


@pytest.mark.parametrize(
    ("more", "cache_bytes"),
    [
        ({}, 10 * 8 * 2 * 64 * 2),  # layers, heads, key and value, width, bytes of a number
        ({"toy.attention.head_count_kv": 2}, 10 * 2 * 2 * 64 * 2),
        ({"toy.attention.head_count_kv": [0, 0, 4] * 3 + [0]}, 3 * 4 * 2 * 64 * 2),
        ({"toy.attention.head_count": 0}, 0),  # a state space alone
        ({"toy.attention.key_length": 128, "toy.attention.value_length": 32}, 10 * 8 * (128 + 32) * 2),
    ],
)
def test_context_and_cache(more: dict[str, Any], cache_bytes: int, tmp_path: Path) -> None:
    data = gguf(FIELDS | more)
    assert read(tmp_path, data) == Gguf(context=4096, cache_bytes=cache_bytes, size=len(data))


def test_the_embedded_model() -> None:
    pytest.importorskip("xllamacpp")
    header = read_gguf(find_weights(""))
    assert (header.context, header.cache_bytes) == (8192, 30 * 2 * 192 * 2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a GGUF file"),
        (b"PK\x03\x04" + bytes(100), "not a GGUF file"),
        (gguf(FIELDS, version=1), "version 1"),
        (gguf({"general.architecture": "clip"}), "not one of a language model"),
        (gguf(FIELDS | {"toy.block_count": "ten"}), "not one of a language model"),
        (gguf({"x": "y"})[:-2], "ends in the middle"),
        (gguf({"x": "y"})[:-1], "ends in the middle"),
    ],
    ids=range(7),
)
def test_what_it_cannot_read(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        read(tmp_path, data)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        read_gguf(tmp_path / "none.gguf")
    with pytest.raises(UsageError, match="not a GGUF file"):
        read_gguf(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(at=st.integers(0, len(gguf(FIELDS)) - 1), junk=st.binary(max_size=12), cut=st.booleans())
def test_broken_in_any_place_it_is_refused_or_read(at: int, junk: bytes, cut: bool, tmp_path: Path) -> None:
    whole = gguf(FIELDS)
    rest = b"" if cut else whole[at + len(junk) :]
    with suppress(UsageError):
        header = read(tmp_path, whole[:at] + junk + rest)
        assert header.context >= 0
        assert header.cache_bytes >= 0
