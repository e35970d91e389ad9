"""Methods, benchmarks, models and scorers that other packages add by entry points.

A package names its objects in its pyproject.toml, ``[project.entry-points."selfagg.methods"]`` for instance, as
``NAME = "MODULE:OBJECT"``. Our own names come first; a package cannot replace them.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Literal, TypeVar

from selfagg.errors import UsageError

Group = Literal["methods", "benchmarks", "models", "scorers"]
GROUPS: tuple[Group, ...] = ("methods", "benchmarks", "models", "scorers")

T = TypeVar("T")


@functools.cache
def registered(group: Group) -> Mapping[str, EntryPoint]:
    """Return the entries that installed packages register, by name; of two with one name the first counts."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=f"selfagg.{group}"):
        found.setdefault(entry.name, entry)
    return found


def load(group: Group, name: str, kind: type[T]) -> T | None:
    """Return the object that a package registers under a name; None if no package does.

    UsageError, which names the package, is raised if it cannot be loaded or is not of the type ``kind``.
    """
    entry = registered(group).get(name)
    if entry is None:
        return None
    where = f"the {group.removesuffix('s')} {name} ({entry.value}, package {entry.dist.name if entry.dist else '?'})"
    try:
        found = entry.load()
    except Exception as error:  # a package's own code may raise anything
        raise UsageError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(found, kind):
        raise UsageError(f"{where} must be a {kind.__name__}, not {type(found).__name__}")
    return found
