"""What a caller gives is checked, each with one sentence that names it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg._internal.arguments import (
    check_amounts,
    check_model,
    check_numbers,
    check_paths,
    check_seconds,
    check_times,
    check_type,
    check_whole,
    check_words,
    did_you_mean,
    pairs,
    suggest,
)  # fmt: skip
from selfagg.errors import UsageError
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.types import Sampling


def said(check: Callable[[], object]) -> str:
    """What the check complains of; "" if nothing."""
    try:
        check()
    except UsageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("name", "known", "told"),
    [
        ("rssa", ["rsa", "majority"], "did you mean rsa?"),
        ("mth", ["math", "maths", "moth", "text"], "did you mean moth or math or maths?"),
        ("zzz", ["rsa", "majority"], "there are rsa, majority"),
        ("zzz", [f"name-{i}" for i in range(20)], "there are name-0, name-1"),
        ("zzz", [f"name-{i}" for i in range(21)], "there are 21 of them"),
        ("zzz", [], "there are "),
    ],
)
def test_a_near_name_is_suggested_else_all_are_listed_or_counted(name: str, known: list[str], told: str) -> None:
    assert suggest(name, known).startswith(told)
    assert did_you_mean("zzz", known) == ""


@pytest.mark.parametrize("value", [None, 0, 1, -3, 10**30])
def test_whole_numbers(value: int | None) -> None:
    assert said(lambda: check_whole(a=value)) == ""


@pytest.mark.parametrize("value", [True, False, 1.0, "1", [1]])
def test_what_is_no_whole_number(value: Any) -> None:
    assert said(lambda: check_whole(a=3, b=value)) == f"b is {value!r}, but it must be a whole number"
    assert said(lambda: check_amounts(a=3, b=value)) == f"b is {value!r}, but it must be a whole number"


@given(st.integers())
def test_amounts_are_whole_numbers_from_1(value: int) -> None:
    assert said(lambda: check_amounts(a=1, b=None, c=value)) == (
        "" if value >= 1 else f"c is {value}, but it must be at least 1"
    )


@pytest.mark.parametrize(
    ("most", "value", "told"),
    [
        (1.0, 0, ""),
        (1.0, 1.0, ""),
        (1.0, 1.01, "x is 1.01, but it must be from 0 to 1"),
        (1.0, -0.1, "x is -0.1, but it must be from 0 to 1"),
        (math.inf, 1e300, ""),
        (math.inf, -1, "x is -1, but it must be a number from 0"),
        (math.inf, math.inf, "x is inf, but it must be a number from 0"),
        (math.inf, math.nan, "x is nan, but it must be a number from 0"),
        (math.inf, "1", "x is '1', but it must be a number"),
        (math.inf, True, "x is True, but it must be a number"),
        (math.inf, None, ""),
    ],
)
def test_numbers_from_0_to_a_bound(most: float, value: Any, told: str) -> None:
    assert said(lambda: check_numbers(most, a=0.5, x=value)) == told
    if most > 1:
        assert said(lambda: check_seconds(a=None, x=value)) == told


@pytest.mark.parametrize(
    ("sampling", "told"),
    [
        (Sampling(), ""),
        (Sampling(temperature=0, top_p=1.0, max_tokens=1, stop=("x",)), ""),
        (Sampling(max_tokens=0), "max_tokens is 0, but it must be at least 1"),
        (Sampling(stop=("x", "")), "stop: an empty text would end every reply before it begins"),
        (Sampling(top_p=2), "top_p is 2, but it must be from 0 to 1"),
        (Sampling(temperature=-1), "temperature is -1, but it must be a number from 0"),
    ],
)
def test_what_cannot_be_sampled(sampling: Sampling, told: str) -> None:
    assert said(lambda: check_times(sampling, wait_s=3)) == told
    assert said(lambda: check_times(Sampling(), wait_s=-3)) == "wait_s is -3, but it must be a number from 0"


def test_a_path_is_a_text_or_a_path() -> None:
    check_paths(record="a", out=Path("b"), none=None)
    with pytest.raises(UsageError, match="record is 3, but it must be the path of a file"):
        check_paths(record=3)


def test_words_that_a_setting_knows() -> None:
    assert said(lambda: check_words({"a": ("x", ("x", "y")), "b": ("y", ("x", "y"))})) == ""
    wrong = said(lambda: check_words({"a": ("x", ("x", "y")), "b": ("z", ("x", "y"))}))
    assert wrong == "b is 'z', but it must be one of x, y"


def test_a_model_is_a_name_or_a_connection_which_has_its_own_address() -> None:
    model = SimulatedModel(Simulation())
    assert said(lambda: check_model("local", base_url="http://x")) == ""
    assert said(lambda: check_model(model, base_url=None)) == ""
    assert said(lambda: check_model(model, base_url="http://x", api_key="k", timeout_s=None)) == (
        "base_url and api_key goes with a model's name; an open connection has its own"
    )
    assert said(lambda: check_model(None)).endswith("it is None")
    assert said(lambda: check_model(3)).endswith("it is of type int")


def test_an_object_of_another_type_is_told() -> None:
    check_type(Sampling, sampling=None)
    check_type(Sampling, sampling=Sampling(temperature=0.5))
    told = said(lambda: check_type(Sampling, sampling={"temperature": 1}))
    assert told == "sampling is {'temperature': 1}, but it must be a selfagg.Sampling"


def test_pairs_of_keys_and_values() -> None:
    assert pairs("--x", ["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    assert pairs("--x", []) == {}
    for texts, told in ((["a"], "--x 'a': it must read KEY=VALUE"), (["=1"], "--x '=1': it must read KEY=VALUE")):
        with pytest.raises(UsageError, match=re.escape(told)):
            pairs("--x", texts)
    with pytest.raises(UsageError, match="--x: a is given twice"):
        pairs("--x", ["a=1", "a=1"])
