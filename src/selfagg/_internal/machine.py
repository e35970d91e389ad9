"""The cores and the memory that this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_SELF = Path("/proc/self")
_ASSUMED = 8 * 2**30  # bytes, where the system does not tell
_QUOTAS = {"cgroup2": ("cpu.max",), "cgroup": ("cpu.cfs_quota_us", "cpu.cfs_period_us")}
_MEMORIES = {"cgroup2": "memory.max", "cgroup": "memory.limit_in_bytes"}


def processors() -> list[int]:
    """Return the numbers of the processors that this process may run on, in ascending order."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))  # macOS


def cores(process: Path = _SELF) -> int:
    """Return the number of cores that this process may use: its affinity, bounded by the CPU quota of its container.

    The tightest quota counts, of the process's own control group and of all groups around that one. A quota is rounded
    up, as Go and Java do: 1.5 processors are 2 cores, since one core alone would leave a third of the time unused.
    """
    quotas = [math.ceil(quota) for folder, kind in _groups(process, "cpu") if (quota := _quota(folder, kind))]
    return max(1, min([len(processors()), *quotas]))


def memory(process: Path = _SELF) -> int:
    """Return the bytes of memory that this machine has, or that this container may use."""
    try:
        found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (AttributeError, ValueError, OSError):
        found = [_ASSUMED]
    for folder, kind in _groups(process, "memory"):
        with suppress(OSError, ValueError):  # no such file, or "max"
            found.append(int((folder / _MEMORIES[kind]).read_text()))
    return min(found)


def _quota(folder: Path, kind: str) -> float | None:
    """Return the number of processors that a control group may use; None if it sets no bound (``max``, or -1)."""
    try:
        quota, period = " ".join((folder / name).read_text() for name in _QUOTAS[kind]).split()
        return max(0.0, int(quota) / int(period)) or None
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _groups(process: Path, controller: str) -> Iterator[tuple[Path, str]]:
    """Yield the folder and the kind of each control group that bounds the process: its own and all around it."""
    try:
        lines = [line.split(":", 2) for line in (process / "cgroup").read_text().splitlines()]
        mounts = [line.split() for line in (process / "mountinfo").read_text().splitlines()]
    except OSError:  # no Linux
        return
    for mount in mounts:
        root, point, kind, options = mount[3], Path(mount[4]), mount[mount.index("-") + 1], mount[-1].split(",")
        if kind != "cgroup2" and (kind != "cgroup" or controller not in options):
            continue
        for _, controllers, path in lines:
            if controllers == "" if kind == "cgroup2" else controller in controllers.split(","):
                own = Path(os.path.relpath(path, root))
                # A container may see its group as the root of the mount while the kernel tells the host's path.
                inside = [part for part in (own, *own.parents) if ".." not in part.parts]
                yield from ((point / part, kind) for part in (inside or [Path()]))
