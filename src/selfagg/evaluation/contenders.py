"""The methods that a comparison sets side by side, at the same budget."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from selfagg._internal.arguments import pairs
from selfagg.errors import UsageError
from selfagg.evaluation.budget import Lengths, at_calls, at_tokens
from selfagg.evaluation.presets import Preset, applicable, preset_sizes
from selfagg.methods import Method, method_class, method_given, method_named
from selfagg.run.stopping import rule_named

Match = Literal["calls", "tokens", "none"]


@dataclass(frozen=True, slots=True)
class Contender:
    """A method of a comparison.

    Attributes:
        method: The method, with the sizes that it has before budgets are matched.
        fixed: True if the user has said how large it is.
    """

    method: Method
    fixed: bool


def contenders(
    methods: Sequence[str | Method], given: Mapping[str, Any] | None = None, preset: Preset | None = None
) -> list[Contender]:
    """Return the methods, the reference first: RSA if it is among them, else the first.

    Args:
        methods: Names, ``NAME:n=8:k=2`` to spell a method's own settings out, or methods, which keep their sizes.
        given: Settings for every method that is named and has them.
        preset: Sizes for the methods that are named, where nothing else is given.

    Raises:
        UsageError: There is no such method or setting, a value is impossible, or one method is named twice.
    """
    found = [_contender(one, given or {}, preset) for one in methods]
    if not found:
        raise UsageError("there is no method to compare")
    for place, one in enumerate(found):
        if any(one.method == other.method for other in found[:place]):
            raise UsageError(f"--methods names {one.method.name} twice with the same settings")
    reference = next((one for one in found if one.method.name == "rsa"), found[0])
    return [reference, *(one for one in found if one is not reference)]


def _contender(spelled: str | Method, given: Mapping[str, Any], preset: Preset | None) -> Contender:
    if not isinstance(spelled, str):
        return Contender(method_given(spelled), fixed=True)
    name, _, rest = spelled.strip().partition(":")
    words = re.split(r":(?=[^:=]*=)", rest) if rest else []  # a value may have a colon, as stop=share:0.875
    kind, option = method_class(name), f"--methods {name}"
    hints = {field.name: str(field.type) for field in dataclasses.fields(kind)}
    own = {key: _value(option, key, value, hints.get(key, "")) for key, value in pairs("--methods", words).items()}
    shared = dict(given)
    if (rule := shared.get("stop")) and not isinstance(rule_named(rule), kind.rules):
        del shared["stop"]  # a rule for populations is none for votes
    settings = {**preset_sizes(preset, kind), **applicable(kind, shared), **own}
    return Contender(method_named(name, **settings), fixed=kind.grows in own)


def _value(option: str, key: str, text: str, hint: str) -> Any:
    """Return the value of a setting's text, by the setting's type."""
    if hint.startswith("bool"):
        if text.lower() not in ("true", "false"):
            raise UsageError(f"{option}: {key} = {text!r} is neither true nor false")
        return text.lower() == "true"
    number = {"int": int, "float": float}.get(hint.partition(" ")[0])
    if number is None:
        return text
    try:
        return number(text)
    except ValueError:
        kind = "whole number" if number is int else "number"
        raise UsageError(f"{option}: {key} = {text!r} is no {kind}") from None


def matched(
    found: Sequence[Contender],
    match: Match,
    tokens: float = 0.0,
    lengths: Lengths | None = None,
    calls: int | None = None,
) -> list[Method]:
    """Return the methods at the reference's budget; those whose size the user has spelled out stay as they are.

    So does a method whose answer does not get better with size: a single sample is one however many are averaged.

    Args:
        found: The reference first.
        match: The budget of a question that all share: calls, or prompt and completion tokens together.
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
