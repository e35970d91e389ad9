"""The methods: each decides which members exist and who their parents are. A new method adds a line here."""

from __future__ import annotations

import dataclasses
from typing import Any

from selfagg import registry
from selfagg._internal.arguments import suggest
from selfagg.errors import UsageError
from selfagg.methods.base import Members, Method
from selfagg.methods.majority import Majority, Single
from selfagg.methods.mixture_of_agents import MixtureOfAgents
from selfagg.methods.rejection import BestOfN, Rejection
from selfagg.methods.rsa import RSA, OneStep
from selfagg.methods.self_refine import SelfRefine

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
    "is_uniform",
    "method_class",
    "method_given",
    "method_named",
]

METHODS: dict[str, type[Method]] = {
    method.name: method for method in (RSA, Single, Majority, SelfRefine, OneStep, Rejection, BestOfN, MixtureOfAgents)
}


def method_class(name: str) -> type[Method]:
    """Return the class of a method, our own or one that a package registers as ``selfagg.methods``.

    Raises:
        UsageError: There is none, or it cannot be loaded.
    """
    if name in METHODS:
        return METHODS[name]
    found = registry.load("methods", name, type)
    if found is None:
        raise UsageError(f"there is no method {name!r}; {suggest(name, [*METHODS, *registry.registered('methods')])}")
    if not issubclass(found, Method):
        raise UsageError(f"the method {name} must be a subclass of selfagg.Method, not {found.__name__}")
    return found


def is_uniform(name: str) -> bool:
    """Return `Method.uniform` of a recorded method; False for a user's own method that no package registers."""
    known = name in METHODS or name in registry.registered("methods")
    return known and method_class(name).uniform


def method_named(name: str, **settings: Any) -> Method:
    """Return a method by its name; settings that are None keep the method's defaults.

    Raises:
        UsageError: No such method, no such setting, or an impossible value.
    """
    method = method_class(name)
    given = {key: value for key, value in settings.items() if value is not None}
    known = [field.name for field in dataclasses.fields(method)]
    for key in given:
        if key not in known:
            raise UsageError(f"method {name} has no setting {key}; it has {', '.join(known)}")
    return method(**given)


def method_given(method: object, **sizes: Any) -> Method:
    """Return a method that is given as an instance, or by its name and sizes.

    Raises:
        UsageError: It is neither, an instance comes with sizes beside it, or `method_named` refuses the name.
    """
    if isinstance(method, str):
        return method_named(method, **sizes)
    if not isinstance(method, Method):
        hint = f": write {method.__name__}()" if isinstance(method, type) else ""
        raise UsageError(f"the method must be a name, as 'rsa', or a Method, not {method!r}{hint}")
    if beside := [name for name, value in sizes.items() if value is not None]:
        raise UsageError(f"{' and '.join(beside)} goes with a method's name; {method!r} has its own settings")
    return method
