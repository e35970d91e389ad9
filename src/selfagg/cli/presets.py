"""Settings by one word: the paper's, or small ones to try a thing out. What the user spells out wins."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from selfagg.cli.options import METHOD, MethodOptions, SamplingOptions
from selfagg.methods import Method, MixtureOfAgents, method_class

Preset = Literal["paper", "quick"]
PresetOption = Annotated[
    Preset | None,
    typer.Option(
        "--preset",
        help="paper: N=16 K=4 T=10, 8192 tokens, voting over N x T. quick: N=4 K=2 T=3. Other options win.",
        rich_help_panel=METHOD,
    ),
]

SIZES: Mapping[Preset, Mapping[str, int]] = {"paper": {"n": 16, "k": 4, "t": 10}, "quick": {"n": 4, "k": 2, "t": 3}}
PAPER_TOKENS = 8192
PAPER_EFFORT = "medium"
"""Reasoning effort that the paper asks gpt-oss for."""


def applicable(method: type[Method], sizes: Mapping[str, Any]) -> dict[str, Any]:
    """Those of N, K, T and an order that a method can take, for sizes that are meant for several methods.

    A mixture of agents keeps its own layers: each of its members reads all of one.
    """
    known = {field.name for field in dataclasses.fields(method)}
    if method.grows != "t":
        known.discard("t")
    if issubclass(method, MixtureOfAgents):
        known.clear()
    return {key: value for key, value in sizes.items() if key in known and value is not None}


def preset_sizes(preset: Preset | None, method: type[Method]) -> dict[str, Any]:
    """A method's sizes; one that chooses among samples of one population gets all N x T (the paper's baselines)."""
    if preset is None:
        return {}
    sizes = SIZES[preset]
    if method.grows == "n" and not method.uniform:
        return {"n": sizes["n"] * sizes["t"]}
    return applicable(method, sizes)


def preset_method(preset: Preset | None, options: MethodOptions) -> MethodOptions:
    """The options with the preset's sizes where the user names none."""
    if preset is None:
        return options
    sizes = preset_sizes(preset, method_class(options.method))
    return dataclasses.replace(options, **{key: value for key, value in sizes.items() if getattr(options, key) is None})


def preset_sampling(preset: Preset | None, options: SamplingOptions, model: str) -> SamplingOptions:
    """The options with the preset's sampling where the user names none; temperature and seed are the paper's always."""
    if preset != "paper":
        return options
    effort = PAPER_EFFORT if "gpt-oss" in model.lower() else None
    return dataclasses.replace(
        options,
        max_tokens=options.max_tokens or PAPER_TOKENS,
        reasoning_effort=options.reasoning_effort or effort,
    )
