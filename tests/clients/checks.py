"""What every script of a Python client shares: a list of checks, and one line of JSON that says which passed."""

from __future__ import annotations

import asyncio
import importlib.metadata
import inspect
import json
import sys
from collections.abc import Callable
from typing import Any

URL = sys.argv[1].removesuffix("/v1")  # Anthropic's clients add /v1 themselves
BASE = f"{URL}/v1"
MODEL = "simulated-7b"
QUESTION = "What is 17 * 23?"
WEATHER = "Ask get_weather for the weather in Paris."

_CHECKS: dict[str, Callable[[], Any]] = {}


def check(function: Callable[[], Any]) -> Callable[[], Any]:
    """Add a check, which returns nothing and raises if something is wrong."""
    _CHECKS[function.__name__] = function
    return function


def same(got: object, expected: object) -> None:
    assert got == expected, f"{got!r} is not {expected!r}"


def deliberated(text: object) -> None:
    """Raise AssertionError unless a text is an answer of RSA."""
    assert isinstance(text, str), f"{text!r} is no text"
    assert "aggregated" in text, f"{text!r} is no aggregation"
    assert "population 1" not in text, f"{text!r} has progress in it"


def main(package: str) -> None:
    """Run the checks, print the line, and leave at once: some clients' threads do not end."""
    failed = {}
    for name, function in _CHECKS.items():
        try:
            result = function()
            if inspect.isawaitable(result):
                asyncio.run(result)  # type: ignore[arg-type]
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"[:500]
    passed = [name for name in _CHECKS if name not in failed]
    print(json.dumps({"version": importlib.metadata.version(package), "passed": passed, "failed": failed}), flush=True)
