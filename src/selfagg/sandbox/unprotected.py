"""No sandbox: programs run as the user who runs selfagg. For those who say so in as many words."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from selfagg.sandbox.base import GUEST, Command, Limits, guest_environment, python_arguments
from selfagg.sandbox.visible_files import host_python, package_folders


class Unprotected:
    """Limits on time, memory and output, and a folder of its own; but every file and process in reach.

    A program that sets out to cheat can find the tests on the disk and do worse.
    """

    name = "unprotected"
    limits = "nothing keeps them from your files; time and memory are bounded by resource limits"

    def trouble(self) -> str | None:
        """Return None: programs can run unprotected everywhere."""
        return None

    def command(self, guest: str, limits: Limits) -> Command:
        """Return the command that starts a guest. Make a folder, which goes when the guest does."""
        folder = Path(tempfile.mkdtemp(prefix="selfagg-"))
        shutil.copytree(
            GUEST, folder / "root" / "selfagg" / "sandbox" / "guest", ignore=shutil.ignore_patterns("__pycache__")
        )
        (folder / "packages").mkdir()
        for package in package_folders():
            (folder / "packages" / package.name).symlink_to(package)
        work = folder / "work"
        work.mkdir()
        arguments = python_arguments(str(host_python()), guest, str(folder / "root"), str(folder / "packages"))
        environment = guest_environment() | {"HOME": str(work / "tmp"), "TMPDIR": str(work / "tmp")}
        return Command(arguments, environment, folder=work, remove=folder)
