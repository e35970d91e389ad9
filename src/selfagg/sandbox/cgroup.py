"""A control group for each guest (cgroup v2), where this machine lets us make one.

Groups are made in the nearest group above our own that we may write to and that hands memory and processes on to
its children: as root, in a session of a desktop, or in ``systemd-run --user --scope -p Delegate=yes``.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import time
from functools import cache
from pathlib import Path

from selfagg.sandbox.base import Limits

_MOUNT = Path("/sys/fs/cgroup")
_NAME = "selfagg-guest"
_ENTER = 'echo 0 >"$0/cgroup.procs" && exec "$@"'
_NUMBERS = itertools.count()
_PATIENCE_SECONDS = 2.0  # for the processes of a group to be gone


@cache
def home() -> Path | None:
    """Return the group in which those of guests are made, or None if there is none."""
    own = Path("/proc/self/cgroup")
    found = find_home(_MOUNT, own.read_text()) if own.exists() else None
    if found is not None:
        sweep(found)
    return found


def sweep(above: Path) -> None:
    """Remove the groups that selfagg left behind where it was killed."""
    for group in above.glob(f"{_NAME}-*"):
        if not Path("/proc", group.name.split("-")[2]).exists():
            with contextlib.suppress(OSError):
                group.rmdir()


def find_home(mount: Path, own: str) -> Path | None:
    """Return the nearest group from our own (the text of ``/proc/self/cgroup``) upwards that takes a guest's."""
    place = next((line[3:] for line in own.splitlines() if line.startswith("0::")), None)
    if place is None or ".." in place:
        return None
    group = mount / place.lstrip("/")
    return next((path for path in (group, *group.parents) if path.is_relative_to(mount) and _usable(path)), None)


def make_in(above: Path, limits: Limits) -> Path:
    """Make a group with a guest's limits in this one."""
    group = above / f"{_NAME}-{os.getpid()}-{next(_NUMBERS)}"
    group.mkdir()
    (group / "memory.max").write_text(str(limits.total_memory))
    (group / "pids.max").write_text(str(limits.threads))
    for name, value in {"memory.swap.max": "0", "memory.oom.group": "1", "cpu.max": "100000 100000"}.items():
        if (group / name).exists():
            (group / name).write_text(value)
    return group


def inside(group: Path | None, arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command that runs this one in a group."""
    return arguments if group is None else ("/bin/sh", "-c", _ENTER, str(group), *arguments)


def exhausted(group: Path) -> bool:
    """Return True if a group has met its own limit of memory."""
    try:
        events = dict(line.split() for line in (group / "memory.events").read_text().splitlines())
    except OSError:
        return False
    return events.get("oom", "0") != "0"


def remove(group: Path) -> None:
    """End all processes of a group, and the group."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with contextlib.suppress(OSError):  # Linux before 5.14 has no such file; the first process is dead anyway
        (group / "cgroup.kill").write_text("1")
    while time.monotonic() < deadline:
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.005)


def _usable(above: Path) -> bool:
    """Try a control group: hand on the controllers, make a group, enter it."""
    control = above / "cgroup.subtree_control"
    for names in ("+memory +pids", "+cpu"):
        with contextlib.suppress(OSError):
            control.write_text(names)
    try:
        if not {"memory", "pids"} <= set(control.read_text().split()):
            return False
        group = make_in(above, Limits())
    except OSError:
        return False
    try:
        entered = subprocess.run(inside(group, ("/bin/true",)), capture_output=True, check=False)  # noqa: S603
        return entered.returncode == 0
    finally:
        remove(group)
