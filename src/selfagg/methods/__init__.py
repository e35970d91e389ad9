"""Methods: which members exist and who their parents are. One short file each; a new one adds a line here."""

from __future__ import annotations

import dataclasses
from typing import Any

from selfagg.errors import UsageError
from selfagg.methods.base import Members, Method
from selfagg.methods.best_of_n import BestOfN
from selfagg.methods.majority import Majority
from selfagg.methods.mixture_of_agents import MixtureOfAgents
from selfagg.methods.one_step import OneStep
from selfagg.methods.rejection import Rejection
from selfagg.methods.rsa import RSA
from selfagg.methods.self_refine import SelfRefine
from selfagg.methods.single import Single
from selfagg.near import near

__all__ = [
    "METHODS",
    "RSA",
    "BestOfN",
    "Majority",
    "Members",
    "Method",
    "MixtureOfAgents",
    "OneStep",
    "Rejection",
    "SelfRefine",
    "Single",
    "method_named",
]

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        RSA,
        Single,
        Majority,
        SelfRefine,
        OneStep,
        Rejection,
        BestOfN,
        MixtureOfAgents,
    )
}


def method_named(name: str, **settings: Any) -> Method:
    """A method by its name; settings that are None keep its defaults.

    Raises:
        UsageError: No such method, no such setting, or an impossible value.
    """
    if name not in METHODS:
        raise UsageError(f"there is no method {name!r}; {near(name, METHODS)}")
    method = METHODS[name]
    given = {key: value for key, value in settings.items() if value is not None}
    known = [field.name for field in dataclasses.fields(method)]
    for key in given:
        if key not in known:
            raise UsageError(f"method {name} has no setting {key}; it has {', '.join(known)}")
    return method(**given)
