"""The configuration that a record holds of its run, compared when the run is continued."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

from selfagg.record.rows import set_fields

if TYPE_CHECKING:
    from selfagg.methods.base import Method
    from selfagg.run.engine import Settings

_OPTIONS = {"sampling.server_defaults": " (--sampling server: true; neutral: false)"}
"""The options that decide settings whose names do not tell."""


def configuration(method: Method, model: str, settings: Settings, source: str) -> dict[str, Any]:
    """Return all that a run's generations and scores depend on.

    Schedule and concurrency stay out, and what is as in every run: our own words, the scorers of the kinds, and of the
    sampling what nobody has set. A neutral ``top_p`` is sent as 1.0.
    """
    sampling = settings.sampling
    sent = {**set_fields(sampling), "server_defaults": sampling.server_defaults}
    if sampling.top_p is None and not sampling.server_defaults:
        sent["top_p"] = 1.0
    own = {"wording": settings.wording.told, "scorer": getattr(settings.scorer, "name", None)}
    return {
        "method": dict(method.settings()),
        "model": model,
        "sampling": sent,
        "seed": settings.seed,
        "candidate": settings.candidate,
        "source": source,
        **{key: value for key, value in own.items() if value is not None},
    }


def as_meant(recorded: dict[str, Any]) -> dict[str, Any]:
    """Return a recorded configuration in today's terms.

    Before ``Sampling.server_defaults`` a server was sent no more than what was given, llama.cpp included; models in the
    process sampled the whole distribution.
    """
    sampling = recorded.get("sampling")
    if not isinstance(sampling, Mapping) or "server_defaults" in sampling:
        return recorded
    server = str(recorded.get("model", "")).startswith(("openai:", "local"))
    told = {**sampling, "server_defaults": server}
    if not server and told.get("top_p") is None:
        told["top_p"] = 1.0
    return {**recorded, "sampling": told}


def differences(recorded: Mapping[str, Any], asked: Mapping[str, Any], where: str, path: str = "") -> list[str]:
    """Describe every setting that differs, by its dotted name; ``where`` says where the recorded one stands."""
    found: list[str] = []
    for key in sorted(recorded.keys() | asked.keys()):
        old, new, name = recorded.get(key), asked.get(key), f"{path}{key}"
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, where, f"{name}.")
        elif old != new:
            told = f"{name} is {json.dumps(old)} {where}, {json.dumps(new)} asked for"
            found.append(told + _OPTIONS.get(name, ""))
    return found


def about(**more: Any) -> Mapping[str, Any]:
    """Return the versions that results may depend on, and the facts in ``more``; they are recorded, not compared."""
    versions: dict[str, str] = {}
    for package in ("selfagg", "math-verify", "reasoning-gym", "aiohttp", "xllamacpp"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {"versions": versions, "python": platform.python_version(), **more}
