"""The differences between recorded settings and new ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

OPTIONS = {"sampling.server_defaults": " (--sampling server: true; neutral: false)"}
"""The options that decide settings whose names do not tell."""


def differences(recorded: Mapping[str, Any], asked: Mapping[str, Any], where: str, path: str = "") -> list[str]:
    """Describe every setting that differs, by its dotted name; ``where`` says where the recorded one stands."""
    found: list[str] = []
    for key in sorted(recorded.keys() | asked.keys()):
        old, new = recorded.get(key), asked.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, where, f"{path}{key}.")
        elif old != new:
            found.append(
                f"{path}{key} is {json.dumps(old)} {where}, {json.dumps(new)} asked for{OPTIONS.get(path + key, '')}"
            )
    return found
