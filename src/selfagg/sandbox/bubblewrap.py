"""Bubblewrap: namespaces without a daemon, started in a few milliseconds.

A guest sees the interpreter, its standard library, shared libraries and numpy. The folder of the standard library
holds installed packages too (``site-packages``), and with them benchmarks and their solutions: those are covered.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import sysconfig
from functools import cache
from pathlib import Path

from selfagg.sandbox import cgroup
from selfagg.sandbox.base import (
    ENVIRONMENT,
    GUEST,
    PACKAGES,
    ROOT,
    Command,
    Limits,
    host_python,
    package_folders,
    python_arguments,
)
from selfagg.sandbox.session import probe

_BOX = "/box"  # the one folder that can be written to: the worker's, with the program's in it
_FREE_USERS = range(0x70000000, 0x7FFFFFFF)  # users that no system has, by systemd's list (UIDS-GIDS)
_SYSTEM = Path("/")
_INSTALLED = ("site-packages", "dist-packages")


class Bubblewrap:
    """Everything of the host is out of sight but the interpreter, read-only; no network, no other processes.

    There is no ``/proc``, by which a program could reach other processes. When the first process of the sandbox
    dies, the kernel ends all others.
    """

    name = "bubblewrap"

    @property
    def limits(self) -> str:
        if cgroup.home() is None:
            said = "no control group can be made for a program here"
            said += ", so memory and threads are bounded by resource limits"
        else:
            said = "memory, threads and processor of a program are bounded by a control group of its own"
            said += " and by resource limits"
        return said + ("" if _counts_threads() else " (of threads, none: Linux before 5.14)")

    def trouble(self) -> str | None:
        if shutil.which("bwrap") is None:
            return "bubblewrap is not installed (Debian, Ubuntu, Fedora: the package bubblewrap)"
        failure = probe(self)
        return failure and f"bubblewrap does not work here ({failure})"

    def command(self, guest: str, limits: Limits) -> Command:
        # A user that no other guest has, here or in another container of this kernel.
        users = _free_users(Path("/proc/self/uid_map").read_text()) if os.geteuid() == 0 else ()
        user = secrets.choice(users) if users else None
        arguments = [
            shutil.which("bwrap") or "bwrap",
            *("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
            *("--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"),
            # As root a guest keeps what it takes to become a user whose processes can be counted; that user
            # has no capability, and no power over bwrap's first process, which stays root. Else a user namespace
            # does the same, and the guest is the first process: bwrap's would be of the program's own user.
            *(("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID") if user else ("--unshare-user", "--as-pid-1")),
            *_mounts(),
            *("--perms", "1777", "--size", str(limits.disk), "--tmpfs", _BOX),
            *("--remount-ro", "/", "--chdir", _BOX),
        ]
        for name, value in ENVIRONMENT.items():
            arguments += ["--setenv", name, value]
        arguments += ["--", *python_arguments(str(host_python()), guest)]
        above = cgroup.home()
        group = None if above is None else cgroup.make_in(above, limits)
        return Command(
            cgroup.inside(group, tuple(arguments)),
            user=user,
            count_threads=_counts_threads(),
            count_entries=True,
            group=group,
        )


def _counts_threads() -> bool:
    """Return True if a limit on processes counts those of the guest alone: of its user, or its user namespace."""
    version = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    return os.geteuid() == 0 or version >= (5, 14)


def _free_users(uid_map: str) -> range:
    """Return the users nobody has, or the upper half of the widest range where a user namespace lacks them."""
    lines = [[int(number) for number in line.split()] for line in uid_map.splitlines()]
    first, _, count = max(lines, key=lambda line: line[2])
    users = range(first, first + count)
    return _FREE_USERS if _FREE_USERS[0] in users and _FREE_USERS[-1] in users else users[(count + 1) // 2 :]


@cache
def _mounts() -> tuple[str, ...]:
    shown = python_folders()
    binds = [(path, path) for path in (*shown, host_python())]
    binds += [(folder, Path(PACKAGES) / folder.name) for folder in package_folders()]
    binds += [(GUEST, Path(ROOT) / "selfagg" / "sandbox" / "guest")]
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
    for covered in covered_folders(shown):
        arguments += ["--tmpfs", str(covered), "--remount-ro", str(covered)]
    arguments += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache", "--dir", "/dev"]
    for device in ("null", "zero", "random", "urandom"):
        arguments += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    for stream in ("stdin", "stdout", "stderr"):
        arguments += ["--symlink", f"{_BOX}/{stream}", f"/dev/{stream}"]
    return (*arguments, "--symlink", f"{_BOX}/tmp", "/tmp")  # noqa: S108


def python_folders() -> tuple[Path, ...]:
    """Return the folders of the host that its interpreter needs: the standard library and shared libraries."""
    kind = sysconfig.get_config_var("MULTIARCH")
    apart = bool(kind) and (_SYSTEM / "usr/lib" / kind).is_dir()  # Debian: shared libraries apart from all else
    shared = (f"usr/lib/{kind}", f"lib/{kind}") if apart else ("usr/lib", "lib")
    system = [_SYSTEM / folder for folder in (*shared, "usr/lib64", "lib64")]
    folders = [folder for folder in dict.fromkeys([_own_libraries(), _standard_library(), *system]) if folder.is_dir()]
    return tuple(folder for folder in folders if not any(other in folder.parents for other in folders))


def covered_folders(shown: tuple[Path, ...]) -> list[Path]:
    """Return what is no program's business in shown folders: packages, and all but the standard library in ``lib``."""
    covered: list[Path] = []
    for root in shown:
        if not root.is_symlink():
            within = [folder for folder in root.iterdir() if folder.is_dir() and not folder.is_symlink()]
            alone = root == _standard_library().parent == _own_libraries()
            own = [path for path in within if path.name in _INSTALLED or (alone and path != _standard_library())]
            inner = [folder / name for folder in within if folder not in own for name in _INSTALLED]
            covered += own + [folder for folder in inner if folder.is_dir()]
    return covered


def _standard_library() -> Path:
    return Path(sysconfig.get_path("stdlib"))


def _own_libraries() -> Path:
    """Return the ``lib`` of an interpreter with a folder of its own; else the standard library."""
    own = Path(sys.base_prefix) / "lib"
    return _standard_library() if own == _SYSTEM / "usr/lib" else own
