"""The API keys that clients of a server must have, and who may do without."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from selfagg.errors import UsageError
from selfagg.server.settings import ServeSettings

KEYS_VARIABLE = "SELFAGG_API_KEYS"


def read_keys(file: Path | None) -> tuple[str, ...]:
    """Return the keys that clients must have, from a file or the environment; none: no key is asked for.

    Raises:
        UsageError: The file cannot be read, or holds no key.
    """
    if file is None:
        return _checked(os.environ.get(KEYS_VARIABLE, "").split(","), KEYS_VARIABLE)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        raise UsageError(f"cannot read the client keys {file}: {why}") from None
    keys = _checked([line for line in lines if not line.startswith("#")], str(file))
    if not keys:
        raise UsageError(f"the file of client keys {file} holds none")
    return keys


def _checked(keys: Sequence[str], where: str) -> tuple[str, ...]:
    found = tuple(key.strip() for key in keys if key.strip())
    for number, key in enumerate(found, 1):
        if not key.isascii() or not key.isprintable() or " " in key:
            raise UsageError(f"{where}: key {number} holds characters that no header can carry")
    return found


def _check_origin(origin: str, settings: ServeSettings) -> None:
    if origin == "*" and not settings.keys:
        raise UsageError(
            "--allow-origin * lets every page on the web use your model: name keys, or the sites one by one"
        )
    if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#\s*]+", origin):
        raise UsageError(f"--allow-origin {origin}: an origin reads https://HOST or https://HOST:PORT, without a path")


def check_address(host: str, settings: ServeSettings) -> None:
    """Raise UsageError if others than this machine or an allowed site could use the server without a key."""
    from selfagg.server.auth import is_loopback

    for origin in settings.allow_origins:
        _check_origin(origin, settings)
    if not is_loopback(host) and not settings.keys:
        raise UsageError(
            f"--host {host} can be reached by others: name keys with --client-keys FILE or in {KEYS_VARIABLE}"
        )
