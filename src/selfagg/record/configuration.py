"""The configuration that a record holds of its run, compared when the run is continued."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

from selfagg.record.rows import set_fields

if TYPE_CHECKING:
    from selfagg.methods.base import Method
    from selfagg.run.engine import Settings
    from selfagg.types import Sampling


def configuration(method: Method, model: str, settings: Settings, source: str) -> dict[str, Any]:
    """Return all that a run's generations and scores depend on.

    Schedule and concurrency stay out, and what is as in every run: our own words, the scorers of the kinds.
    """
    own = {"wording": settings.wording.told, "scorer": getattr(settings.scorer, "name", None)}
    return {
        "method": dict(method.settings()),
        "model": model,
        "sampling": _explicit(settings.sampling),
        "seed": settings.seed,
        "candidate": settings.candidate,
        "source": source,
        **{key: value for key, value in own.items() if value is not None},
    }


def _explicit(sampling: Sampling) -> dict[str, Any]:
    """Return the sampling as it is sent: a neutral ``top_p`` is 1.0; what nobody has set stays out."""
    fields = {**set_fields(sampling), "server_defaults": sampling.server_defaults}
    if sampling.top_p is None and not sampling.server_defaults:
        fields["top_p"] = 1.0
    return fields


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


def about(**more: Any) -> Mapping[str, Any]:
    """Return the versions that results may depend on, and the facts in ``more``; they are recorded, not compared."""
    packages = ("selfagg", "math-verify", "reasoning-gym", "aiohttp", "xllamacpp")
    versions: dict[str, str] = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {"versions": versions, "python": platform.python_version(), **more}
