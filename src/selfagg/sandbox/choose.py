"""The choice of a sandbox that this machine has, and the last one: none at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from selfagg.errors import UsageError
from selfagg.sandbox.base import (
    ENVIRONMENT,
    GUEST,
    Command,
    Limits,
    Sandbox,
    host_python,
    package_folders,
    python_arguments,
)
from selfagg.sandbox.bubblewrap import Bubblewrap
from selfagg.sandbox.container import Container


class Unprotected:
    """No sandbox, for those who say so in as many words: programs run as the user who runs selfagg.

    Limits on time, memory and output, and a folder of its own; but every file and process in reach. A program that
    sets out to cheat can find the tests on the disk and do worse.
    """

    name = "unprotected"
    limits = "nothing keeps them from your files; time and memory are bounded by resource limits"

    def trouble(self) -> str | None:
        return None

    def command(self, guest: str, limits: Limits) -> Command:
        folder = Path(tempfile.mkdtemp(prefix="selfagg-"))  # it goes when the guest does
        root, packages, work = folder / "root", folder / "packages", folder / "work"
        shutil.copytree(GUEST, root / "selfagg" / "sandbox" / "guest", ignore=shutil.ignore_patterns("__pycache__"))
        packages.mkdir()
        work.mkdir()
        for package in package_folders():
            (packages / package.name).symlink_to(package)
        environment = {**ENVIRONMENT, "HOME": str(work / "tmp"), "TMPDIR": str(work / "tmp")}
        return Command(python_arguments(str(host_python()), guest, str(root), str(packages)), environment, folder=work)


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
            if (trouble := sandbox.trouble()) is None:
                return sandbox
            troubles.append(trouble)
    raise UsageError(
        f"code that a model wrote runs only in a sandbox, and none works here: {'; '.join(troubles)}; "
        "install bubblewrap, or say --unsafe-run-code-unprotected to run it with all your rights"
    )
