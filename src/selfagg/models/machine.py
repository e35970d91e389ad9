"""What this machine lends to a model in the process: cores and memory."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_ASSUMED = 8 * 2**30  # bytes, where the system does not tell


def cores(cgroup: Path = _CGROUP) -> int:
    """Cores this process may use: its affinity, and a container's CPU quota where there is one.

    More threads than that would wait for each other, since each step of a model ends when its slowest thread does.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        return max(1, min(affinity, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no control group, or "max": no quota
        return affinity


def memory(cgroup: Path = _CGROUP) -> int:
    """Bytes of memory this machine has, or this container may use."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        physical = _ASSUMED
    try:
        return min(physical, int((cgroup / "memory.max").read_text()))
    except (OSError, ValueError):
        return physical
