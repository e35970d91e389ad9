"""Reads which methods a comparison sets side by side, and gives them the same budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import typer

from selfagg.cli import values
from selfagg.cli.options import METHOD, MethodOptions
from selfagg.cli.presets import Preset, applicable, preset_sizes
from selfagg.engine.stopping import rule_named
from selfagg.errors import UsageError
from selfagg.experiments.budget import Lengths, at_calls, at_tokens
from selfagg.methods import Method, method_class, method_named

Match = Literal["calls", "tokens", "none"]


@dataclass(frozen=True)
class ContenderOptions(MethodOptions):
    """Which methods, and how large the reference is."""

    method: Annotated[
        str,
        typer.Option(
            "--methods",
            help="Names with commas between them; NAME:n=8:k=2 spells a method's own settings out.",
            rich_help_panel=METHOD,
        ),
    ] = "rsa,majority,self-refine"


@dataclass(frozen=True, slots=True)
class Contender:
    """A method of a comparison.

    Attributes:
        method: With the sizes that it has before budgets are matched.
        fixed: Whether the user has said how large it is.
    """

    method: Method
    fixed: bool


def contenders(options: ContenderOptions, preset: Preset | None) -> list[Contender]:
    """The methods, the reference first: RSA if it is among them, else the one named first.

    Raises:
        UsageError: No such method or setting, an impossible value, or one method twice.
    """
    found = [_contender(words.strip(), options, preset) for words in options.method.split(",")]
    for place, one in enumerate(found):
        if any(one.method == other.method for other in found[:place]):
            raise UsageError(f"--methods names {one.method.name} twice with the same settings")
    reference = next((one for one in found if one.method.name == "rsa"), found[0])
    return [reference, *(one for one in found if one is not reference)]


def _contender(words: str, options: ContenderOptions, preset: Preset | None) -> Contender:
    name, *spelled = words.split(":")
    kind = method_class(name)
    given = {key: getattr(options, key) for key in ("n", "k", "t", "order")} | options.adaptive
    if options.stop and not isinstance(rule_named(options.stop), kind.rules):
        del given["stop"]  # a rule for populations is none for votes
    own = {key: _value(f"--methods {name}", key, value) for key, value in values.pairs("--methods", spelled).items()}
    sizes = {**preset_sizes(preset, kind), **applicable(kind, given), **own}
    return Contender(method_named(name, **sizes), fixed=kind.grows in own)


def _value(option: str, key: str, text: str) -> Any:
    if key == "copy" and text in ("True", "False"):
        return text == "True"
    if key not in ("n", "k", "t"):
        return text
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"{option}: {key} = {text!r} is no whole number")
    return int(text)


def matched(
    found: Sequence[Contender],
    match: Match,
    tokens: float = 0.0,
    lengths: Lengths | None = None,
    calls: int | None = None,
) -> list[Method]:
    """The methods at the reference's budget; those whose size the user has spelled out stay as they are.

    So does a method whose answer does not get better with size: a single sample is one however many are averaged.

    Args:
        found: The reference first.
        match: What of a question is the same: calls, or prompt and completion tokens together.
        tokens: The reference's for a question, to match tokens.
        lengths: Lengths to expect, to match tokens.
        calls: Calls that a question of the reference really took; None: as many as it has members.

    Raises:
        UsageError: Two methods come to the same.
    """
    reference = found[0].method
    methods = [reference]
    for contender in found[1:]:
        method = contender.method
        grows = not contender.fixed and not (method.uniform and method.t == 1 and method.grows == "n")
        if grows and match == "calls":
            method = at_calls(method, reference.calls if calls is None else calls)
        elif grows and match == "tokens" and lengths is not None:
            method = at_tokens(method, tokens, lengths)
        if method in methods:
            raise UsageError(f"matching {match} makes two of the methods the same: {dict(method.settings())}")
        methods.append(method)
    return methods


__all__ = ["Contender", "ContenderOptions", "Match", "contenders", "matched"]
