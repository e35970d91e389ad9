"""The facts that a GGUF file states of its model before anything is loaded; the format is llama.cpp's."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfagg.errors import UsageError

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True)
class Gguf:
    """The parts of a header that decide how a model is loaded.

    Attributes:
        context: Tokens the model was trained on at once.
        cache_bytes: Bytes of memory that one token takes in a 16-bit key-value cache. Models that keep less
            than every token in every layer (sliding windows, state spaces) take less.
        size: Bytes of the file.
    """

    context: int
    cache_bytes: int
    size: int


def read_gguf(path: Path) -> Gguf:
    """Read the header of a GGUF file.

    Raises:
        UsageError: There is no such file, or it is not a whole GGUF header of a language model.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            fields = _Reader(data).fields()
            size = len(data)
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is not a GGUF file, or a broken one ({error})") from None
    try:
        return _describe(fields, size)
    except (KeyError, TypeError):
        raise UsageError(f"{path} is a GGUF file, but not one of a language model") from None


def _describe(fields: Mapping[str, Any], size: int) -> Gguf:
    name = fields["general.architecture"]
    heads = _numbers(fields[f"{name}.attention.head_count"])
    shared = _numbers(fields.get(f"{name}.attention.head_count_kv", heads))
    layers, embedding, context = (
        _numbers(fields[f"{name}.{field}"])[0] for field in ("block_count", "embedding_length", "context_length")
    )
    width = embedding // max(1, *heads)
    key = _numbers(fields.get(f"{name}.attention.key_length", width))[0]
    value = _numbers(fields.get(f"{name}.attention.value_length", width))[0]
    total = shared[0] * layers if len(shared) == 1 else sum(shared)
    return Gguf(context=context, cache_bytes=2 * total * (key + value), size=size)


def _numbers(value: object) -> list[int]:
    """Return one number for all layers, or one for each; refuse what is none."""
    numbers: list[Any] = value if isinstance(value, list) else [value]
    if not numbers or not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise TypeError
    return numbers


class _Reader:
    """A reader of the key-value part of a header, from front to back."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def fields(self) -> dict[str, Any]:
        """Return all fields; of arrays of strings (vocabularies) nothing is kept."""
        if self._data[:4] != b"GGUF":
            raise ValueError("it does not begin as one")
        self._at = 4
        version = self._scalar("I")
        if version not in (2, 3):
            raise ValueError(f"version {version}, or the other byte order")
        self._scalar("Q")  # number of tensors
        return {self._string(): self._value(self._scalar("I")) for _ in range(self._scalar("Q"))}

    def _scalar(self, code: str) -> Any:
        try:
            (value,) = struct.unpack_from("<" + code, self._data, self._at)
        except struct.error:
            raise ValueError("it ends in the middle") from None
        self._at += struct.calcsize("<" + code)
        return value

    def _skip(self) -> None:
        length = self._scalar("Q")
        self._at += length
        if self._at > len(self._data):
            raise ValueError("it ends in the middle")

    def _string(self) -> str:
        start = self._at + 8
        self._skip()
        return self._data[start : self._at].decode("utf-8", "replace")

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            if kind not in _SCALARS:
                raise ValueError(f"unknown type {kind}")
            return self._scalar(_SCALARS[kind])
        item, count = self._scalar("I"), self._scalar("Q")
        if item == _STRING:
            for _ in range(count):
                self._skip()
            return None
        if item not in _SCALARS:
            raise ValueError(f"unknown type {item} in an array")
        if count * struct.calcsize(_SCALARS[item]) > len(self._data) - self._at:
            raise ValueError("it ends in the middle")
        values = struct.unpack_from(f"<{count}{_SCALARS[item]}", self._data, self._at)
        self._at += struct.calcsize(f"<{count}{_SCALARS[item]}")
        return list(values)
