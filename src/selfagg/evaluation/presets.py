"""Settings by one word: the paper's, or small ones to try a thing out. Settings that the user names come first."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from selfagg.methods import Method, method_class, method_named
from selfagg.prompts.fit import DEFAULT_MAX_TOKENS
from selfagg.types import Sampling

Preset = Literal["paper", "quick"]

SIZES: Mapping[Preset, Mapping[str, int]] = {"paper": {"n": 16, "k": 4, "t": 10}, "quick": {"n": 4, "k": 2, "t": 3}}
PAPER_EFFORT = "medium"
"""Reasoning effort that the paper asks gpt-oss for."""


def applicable(method: type[Method], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of some settings, meant for several methods, that a method can take."""
    if method.own_sizes:
        return {}
    known = {field.name for field in dataclasses.fields(method)} - ({"t"} if method.grows != "t" else set())
    return {key: value for key, value in settings.items() if key in known}


def preset_sizes(preset: Preset | None, method: type[Method]) -> dict[str, Any]:
    """Return a method's sizes; one that chooses among samples of one population gets all N x T, as in the paper."""
    if preset is None:
        return {}
    sizes = SIZES[preset]
    if method.grows == "n" and not method.uniform:
        return {"n": sizes["n"] * sizes["t"]}
    return applicable(method, sizes)


def sized_method(name: str, preset: Preset | None = None, given: Mapping[str, Any] | None = None) -> Method:
    """Return a method with a preset's sizes where no other is given.

    Raises:
        UsageError: There is no such method, no such setting, or a value is impossible.
    """
    return method_named(name, **{**preset_sizes(preset, method_class(name)), **(given or {})})


def preset_sampling(preset: Preset | None, sampling: Sampling, model: str) -> Sampling:
    """Return a sampling with the preset's token limit and effort where none is given.

    Temperature and seed are the paper's by default.
    """
    if preset != "paper":
        return sampling
    return dataclasses.replace(
        sampling,
        max_tokens=sampling.max_tokens or DEFAULT_MAX_TOKENS,
        reasoning_effort=sampling.reasoning_effort or (PAPER_EFFORT if "gpt-oss" in model.lower() else None),
    )
