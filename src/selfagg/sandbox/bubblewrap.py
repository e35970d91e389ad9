"""Bubblewrap: namespaces without a daemon, started in a few milliseconds."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

from selfagg.sandbox.base import (
    GUEST,
    Command,
    Limits,
    guest_environment,
    host_python,
    package_folders,
    python_arguments,
    python_folders,
)
from selfagg.sandbox.probe import probe

_ROOT, _PACKAGES = "/guest", "/packages"
_FIRST_USER = 2_000_000_000
_USERS = itertools.count(os.getpid() % 10_000 * 1_000)
"""Users for guests when we are root: far above those of any system, and a new one for each guest."""


class Bubblewrap:
    """Everything of the host is out of sight but the interpreter, read-only; no network, no other processes."""

    name = "bubblewrap"
    protects = True

    def __init__(self, program: str = "bwrap") -> None:
        self._program = program

    def trouble(self) -> str | None:
        """Why it cannot be used on this machine, or None."""
        if shutil.which(self._program) is None:
            return "bubblewrap is not installed (Debian, Ubuntu, Fedora: the package bubblewrap)"
        failure = probe(self)
        return failure and f"bubblewrap does not work here ({failure})"

    def command(self, guest: str, limits: Limits) -> Command:
        """How to start a guest."""
        root = os.geteuid() == 0
        arguments = [
            shutil.which(self._program) or self._program,
            *("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
            *("--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"),
            # As root a guest keeps what it takes to become a user whose processes can be counted; that user
            # has no capability. Else a user namespace does the same.
            *(("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID") if root else ("--unshare-user",)),
            *_mounts(limits),
        ]
        for name, value in guest_environment().items():
            arguments += ["--setenv", name, value]
        arguments += ["--", *python_arguments(str(host_python()), guest, _ROOT, _PACKAGES)]
        user = _FIRST_USER + next(_USERS) % 100_000_000 if root else None
        # No environment for bwrap itself: a guest could read it in /proc/1.
        return Command(tuple(arguments), user=user, count_threads=True)


def _mounts(limits: Limits) -> list[str]:
    binds = [(folder, folder) for folder in python_folders()]
    binds += [(host_python(), host_python())]
    binds += [(folder, Path(_PACKAGES) / folder.name) for folder in package_folders()]
    binds += [(GUEST, Path(_ROOT) / "selfagg" / "sandbox" / "guest")]
    parents = {parent for _, inside in binds for parent in inside.parents} - {Path("/")}
    links = {path: path.readlink() for path in parents | {inside for _, inside in binds} if path.is_symlink()}
    arguments = []
    for path, target in links.items():
        arguments += ["--symlink", str(target), str(path)]
    for parent in sorted(parents - set(links)):
        # Made here, since bwrap would give some of them to root alone.
        arguments += ["--dir", str(parent)]
    for source, inside in binds:
        if inside not in links:
            arguments += ["--ro-bind", str(source), str(inside)]
    arguments += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache", "--proc", "/proc", "--dir", "/dev"]
    for device in ("null", "zero", "random", "urandom"):
        arguments += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    for number, stream in enumerate(("stdin", "stdout", "stderr")):
        arguments += ["--symlink", f"/proc/self/fd/{number}", f"/dev/{stream}"]
    arguments += ["--perms", "1777", "--size", str(limits.disk), "--tmpfs", "/tmp"]  # noqa: S108
    return [*arguments, "--remount-ro", "/", "--chdir", "/tmp"]  # noqa: S108
