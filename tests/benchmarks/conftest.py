"""Reasoning Gym in the process of the test: one of its own for each call costs a second."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pkgutil import resolve_name
from typing import Any

import numpy
import pytest

from selfagg.scoring import workers


@pytest.fixture
def gym_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Questions are made here, by the same function with what JSON makes of the same arguments."""

    def call(function: str, *args: Any) -> Any:
        made = resolve_name(function)(*json.loads(json.dumps(args)))
        return json.loads(json.dumps(made))

    before = random.getstate(), numpy.random.get_state()
    monkeypatch.setattr(workers, "call", call)
    yield
    random.setstate(before[0])
    numpy.random.set_state(before[1])
