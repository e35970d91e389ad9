"""Python values as JSON, their types kept: only plain data crosses between processes, never pickle or code.

Texts, numbers, lists, True, False and None are themselves; everything else is an object of one key that names
the type: ``{"tuple": [...]}``, ``{"dict": [[key, value], ...]}``. What is no plain data becomes
``{"opaque": repr}``, which is equal to nothing.
"""

from __future__ import annotations

import binascii
import contextlib
from typing import Any

_REPR_CHARACTERS = 200


class Opaque:
    """A placeholder for a value that cannot cross."""

    def __init__(self, shown: str) -> None:
        self._shown = shown

    def __repr__(self) -> str:
        return self._shown


def encode(value: Any) -> Any:
    """Return the JSON value for a Python value. Subclasses lose what they add: a Counter becomes a dict."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        whole = int(value)
        return whole if -(2**63) <= whole < 2**63 else {"int": hex(whole)}
    if isinstance(value, float):
        return float(value)
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {"dict": [[encode(key), encode(item)] for key, item in value.items()]}
    if isinstance(value, tuple | set | frozenset):
        name = next(kind.__name__ for kind in (tuple, set, frozenset) if isinstance(value, kind))
        return {name: [encode(item) for item in value]}
    if isinstance(value, bytes | bytearray):
        return {"bytes": binascii.b2a_base64(bytes(value), newline=False).decode()}
    number = _encode_number(value)
    return {"opaque": _shown(value)} if number is None else number


def _encode_number(value: Any) -> Any:
    """Return a number of another type, as numpy's or a Decimal, as the built-in one; None for what is no number."""
    import numbers

    if isinstance(value, numbers.Integral):
        return encode(int(value))
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, numbers.Complex):
        number = complex(value)
        return {"complex": [number.real, number.imag]}
    return float(value) if isinstance(value, numbers.Number) else None  # type: ignore[arg-type]


def _shown(value: Any) -> str:
    shown = f"<{type(value).__name__}>"
    with contextlib.suppress(Exception):
        shown = str(repr(value))[:_REPR_CHARACTERS]
    return shown


def decode(value: Any) -> Any:
    """Return the Python value for a JSON value that `encode` made; others raise ValueError or TypeError."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((name, content),) = value.items()
    if name == "dict":
        return {decode(key): decode(item) for key, item in content}
    if name == "int":
        return int(content, 16)
    if name == "complex":
        return complex(*content)
    if name == "bytes":
        return binascii.a2b_base64(content)
    if name == "opaque":
        return Opaque(content)
    kinds = {"tuple": tuple, "set": set, "frozenset": frozenset}
    if name not in kinds:
        raise ValueError(f"no such type: {name}")
    return kinds[name](decode(item) for item in content)
