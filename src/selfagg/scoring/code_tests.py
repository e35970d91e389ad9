"""The tests of a programming problem, and their form in a question."""

from __future__ import annotations

import base64
import binascii
import json
import pickletools
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from selfagg.errors import UsageError

_MOST_BYTES = 512 << 20
_TEXT = {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_AROUND_A_TEXT = {"PROTO", "FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT", "STOP"}


@dataclass(frozen=True, slots=True)
class Case:
    """One test: what goes in and what must come out, as text (for a function: JSON, one argument a line)."""

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class Cases:
    """Tests by input and output.

    Attributes:
        function: The function that is called, or None for a program that reads standard input.
        cases: In the order they are run.
        seconds: Processor time for each, or None for the scorer's own limit.
    """

    function: str | None
    cases: Sequence[Case]
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A test that is itself a program, as in HumanEval.

    Attributes:
        prompt: The beginning of the program, which the answer completes.
        test: Source that defines ``check(candidate)``.
        function: The candidate's name.
        seconds: Processor time for each call, or None for the scorer's own limit.
    """

    prompt: str
    test: str
    function: str
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
            cases += _cases_in(**data["packed_in"])
        if not cases:
            raise UsageError("a programming problem has no tests")
        return Cases(data["function"] if form == "function" else None, cases, seconds)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"a programming problem's tests are not as its format wants ({error!r})") from error


@lru_cache(maxsize=4)
def _cases_in(path: str, start: int, length: int) -> list[Case]:
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
        text = packed if packed.lstrip().startswith("[") else _pickled_text(_inflate(packed))
        return [Case(case["input"], case["output"]) for case in json.loads(text)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, zlib.error) as error:
        raise UsageError(f"tests are not in LiveCodeBench's form ({error})") from error


def _inflate(packed: str) -> bytes:
    try:
        data = base64.b64decode(packed, validate=True)
    except binascii.Error as error:
        raise ValueError(f"no base64: {error}") from error
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(data, _MOST_BYTES)
    if not unpacker.eof:
        raise ValueError("cut short, or larger than 512 MiB")
    return content


def _pickled_text(data: bytes) -> str:
    texts: list[str] = []
    for operation, argument, _ in pickletools.genops(data):
        if operation.name in _TEXT:
            texts.append(str(argument))
        elif operation.name not in _AROUND_A_TEXT:
            raise ValueError(f"a pickle of more than a text: {operation.name}")
    if len(texts) != 1:
        raise ValueError("not a pickle of one text")
    return texts[0]
