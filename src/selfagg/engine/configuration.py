"""What a record holds about how its run was made, compared when the run is continued."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from selfagg.engine.engine import Settings
from selfagg.engine.rows import set_fields
from selfagg.methods.base import Method


def configuration(method: Method, model: str, settings: Settings, source: str) -> dict[str, Any]:
    """All that the generations of a run depend on. Not how fast they come: schedule and concurrency stay out."""
    return {
        "method": dict(method.settings()),
        "model": model,
        "sampling": set_fields(settings.sampling),
        "seed": settings.seed,
        "candidate": settings.candidate,
        "source": source,
    }


def about(**more: Any) -> Mapping[str, Any]:
    """Versions that results may depend on, and what else the caller knows: told, not compared."""
    packages = ("selfagg", "math-verify", "reasoning-gym", "openai", "xllamacpp")
    versions: dict[str, str] = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {"versions": versions, "python": platform.python_version(), **more}
