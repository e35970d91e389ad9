"""The choice of a sandbox that this machine has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

from selfagg.errors import UsageError
from selfagg.sandbox.base import Sandbox
from selfagg.sandbox.bubblewrap import Bubblewrap
from selfagg.sandbox.container import Container
from selfagg.sandbox.unprotected import Unprotected

SANDBOXES: Mapping[str, Callable[[], Sandbox]] = MappingProxyType(
    {
        "bubblewrap": Bubblewrap,
        "docker": lambda: Container("docker"),
        "podman": lambda: Container("podman"),
        "unprotected": Unprotected,
    }
)
"""Every sandbox by name, the best first."""


@cache
def choose_sandbox(preference: str | None = None) -> Sandbox:
    """Return the sandbox to run programs in, found by running one in it.

    Args:
        preference: Its name. None: the first that works, but never ``unprotected``, which must be asked for.

    Raises:
        UsageError: There is no such sandbox, or none works here; the message says what to install.
    """
    if preference is not None and preference not in SANDBOXES:
        raise UsageError(f"there is no sandbox {preference!r}; there are: {', '.join(SANDBOXES)}")
    troubles = []
    for name, make in SANDBOXES.items():
        if name == preference or (preference is None and name != "unprotected"):
            sandbox = make()
            trouble = sandbox.trouble()
            if trouble is None:
                return sandbox
            troubles.append(trouble)
    raise UsageError(
        f"code that a model wrote runs only in a sandbox, and none works here: {'; '.join(troubles)}; "
        "install bubblewrap, or say --unsafe-run-code-unprotected to run it with all your rights"
    )
