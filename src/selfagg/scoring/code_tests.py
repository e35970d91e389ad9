"""The tests of a programming problem, their form in a question, and the comparison of outputs.

Outputs are compared by LiveCodeBench's rules (lcb_runner's testing_util), written anew:

- Standard output: both texts are stripped and split into lines; there must be equally many; each line, stripped,
  must be equal as text, or else be equal as a list of decimal numbers (``1.0`` is ``1``, ``1e3`` is ``1000``;
  there is no tolerance).
- Returned value: equal as Python compares values; an outermost tuple counts as a list.

What a program wrote is compared piece by piece, never built up: it may be made to be slow or large.
"""

from __future__ import annotations

import base64
import json
import pickletools
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from selfagg.errors import UsageError

_MOST_BYTES = 512 << 20
_TEXT = {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_AROUND_A_TEXT = {"PROTO", "FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT", "STOP"}

_PLAIN_DIGITS = 4_000  # digits of the longest integer that Python reads whatever its limit is
_MOST_LONGER = 10
"""The ratio by which an equal value can be longer than expected JSON: ``\u00e9`` for a letter, ``1.0`` for ``1``."""


@dataclass(frozen=True, slots=True)
class Case:
    """One test: what goes in and what must come out, as text (for a function: JSON, one argument a line)."""

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class Cases:
    """Tests by input and output of a function, or of a program that reads standard input."""

    function: str | None
    cases: Sequence[Case]
    seconds: float | None = None  # of the processor, for each; None: the scorer's own limit


@dataclass(frozen=True, slots=True)
class Check:
    """A test that is itself a program, as in HumanEval."""

    prompt: str  # the beginning of the program, which the answer completes
    test: str  # source that defines ``check(candidate)``
    function: str  # the candidate
    seconds: float | None = None


Tests = Cases | Check


def read_tests(data: Mapping[str, Any]) -> Tests:
    """Return the tests that a question's ``data`` holds.

    Args:
        data: ``format`` is ``stdin``, ``function`` or ``check``. The first two take ``cases``, a list of pairs of
            input and output, and further ones in LiveCodeBench's packed form: ``packed``, the text itself, or
            ``packed_in``, a mapping of ``path``, ``start`` and ``length`` that says where in a JSON lines file
            the row lies that has them in ``private_test_cases``. ``function`` takes the function's name in
            ``function``. ``check`` takes ``prompt``, ``test`` and ``function``. All may have ``seconds``.

    Raises:
        UsageError: The tests are missing or broken.
    """
    form, seconds = data.get("format"), data.get("seconds")
    try:
        if form == "check":
            return Check(data["prompt"], data["test"], data["function"], seconds)
        if form not in ("stdin", "function"):
            raise UsageError(f"a programming problem's tests have the unknown format {form!r}")
        cases = [Case(given, expected) for given, expected in data.get("cases", ())]
        if "packed" in data:
            cases += unpack_cases(data["packed"])
        if "packed_in" in data:
            cases += _cases_in_file(**data["packed_in"])
        if not cases:
            raise UsageError("a programming problem has no tests")
        return Cases(data["function"] if form == "function" else None, cases, seconds)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"a programming problem's tests are not as its format wants ({error!r})") from error


@lru_cache(maxsize=4)
def _cases_in_file(path: str, start: int, length: int) -> list[Case]:
    try:
        with Path(path).open("rb") as file:
            file.seek(start)
            row = json.loads(file.read(length))
        return unpack_cases(row["private_test_cases"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} no longer holds the tests that were in it ({error})") from error


@lru_cache(maxsize=4)
def unpack_cases(packed: str) -> list[Case]:
    """Return LiveCodeBench's tests from base64 of zlib of a pickled text of JSON, or from the JSON itself.

    Nothing is unpickled: the one shape that a pickled text has is read with the standard library's disassembler,
    and every other pickle is refused.

    Raises:
        UsageError: They are in another form, or too large (512 MiB).
    """
    try:
        text = packed if packed.lstrip().startswith("[") else _pickled_text(packed)
        return [Case(case["input"], case["output"]) for case in json.loads(text)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, zlib.error) as error:
        raise UsageError(f"tests are not in LiveCodeBench's form ({error})") from error


def _pickled_text(packed: str) -> str:
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(base64.b64decode(packed, validate=True), _MOST_BYTES)
    if not unpacker.eof:
        raise ValueError("cut short, or larger than 512 MiB")
    texts: list[str] = []
    for operation, argument, _ in pickletools.genops(data):
        if operation.name in _TEXT:
            texts.append(str(argument))
        elif operation.name not in _AROUND_A_TEXT:
            raise ValueError(f"a pickle of more than a text: {operation.name}")
    if len(texts) != 1:
        raise ValueError("not a pickle of one text")
    return texts[0]


def read_json(text: str) -> Any:
    """Return the value of a test's JSON, integers of any length among it; raises ValueError or RecursionError."""
    # LiveCodeBench raises Python's limit of digits; here that would change it for the whole process, not ours alone.
    return json.loads(text, parse_int=lambda digits: int(digits if len(digits) <= _PLAIN_DIGITS else Decimal(digits)))


def same_output(written: str, expected: str) -> bool:
    """Return True if standard output is the expected one."""
    written, expected = written.strip(), expected.strip()
    if written.count("\n") != expected.count("\n"):
        return False
    return all(map(_same_line, written.split("\n"), expected.split("\n")))


def _same_line(line: str, wanted: str) -> bool:
    line, wanted = line.strip(), wanted.strip()
    if line == wanted:
        return True
    words = wanted.split()
    try:
        numbers = [Decimal(word) for word in words]
        # Not split() alone: a program may write far more words than anyone wants to hold.
        return [Decimal(word) for word in line.split(maxsplit=len(words))] == numbers
    except ArithmeticError:
        return False


def same_value(written: str, expected: str) -> bool:
    """Return True if a returned value, in the encoding of `selfagg.sandbox.guest.messages`, is the expected JSON.

    Raises:
        UsageError: The expected text is not JSON.
    """
    try:
        wanted = read_json(expected)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"an expected value is not JSON ({error})") from error
    if len(written) > _MOST_LONGER * len(expected) + 1_000:
        return False
    try:
        found = json.loads(written)
    except (ValueError, RecursionError):
        return False
    if isinstance(found, dict) and isinstance(found.get("tuple"), list):
        found = found["tuple"]
    return _equal(found, wanted)


def _equal(found: Any, wanted: Any) -> bool:
    """Return True if an encoded value stands for the wanted one; build nothing from what a program wrote."""
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(_equal, found, wanted))
    if isinstance(wanted, dict):
        pairs = found.get("dict") if isinstance(found, dict) else None
        try:
            values = {key: value for key, value in pairs or () if isinstance(key, str)}
        except (TypeError, ValueError):
            return False
        same_keys = pairs is not None and len(pairs) == len(values) and values.keys() == wanted.keys()
        return same_keys and all(_equal(values[key], wanted[key]) for key in wanted)
    if isinstance(found, dict) and isinstance(found.get("int"), str) and isinstance(wanted, int):
        return bool(found["int"] == hex(wanted))
    return bool(found == wanted) and not isinstance(found, dict | list)
