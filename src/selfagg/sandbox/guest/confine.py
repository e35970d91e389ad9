"""Limits that a guest sets on itself before foreign code runs: resources, user, and system calls.

They stand beside the sandbox around them (namespaces, mounts, a control group), not in its place. They need no
rights: a program may have threads but no second process, so its address space is all the memory it can have.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
from typing import Any

from selfagg.sandbox.guest.calls import refuse_calls_of_a_worker, refuse_dangerous_calls, set_dumpable
from selfagg.sandbox.guest.frames import Channel

_STACK_BYTES = 100 << 20
_WORKER_BYTES = 1 << 30


def begin(channel: Channel) -> dict[str, Any]:
    """Take the first message, set the limits of the whole session that it holds, and say so.

    Those are: processor, threads, open files, a user of its own if we are root, and the system calls.

    Returns:
        The limits: `selfagg.sandbox.base.Limits` as a dictionary, with ``cpu`` (number of the processor to stay
            on, or None), ``user`` (id of the user to become, or None) and ``count_threads`` (True if the
            user or its namespace has no processes but the session's, so that they can be counted).
    """
    # The first process of a namespace gets no signal from the others in it, unless it asks for one.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    first = channel.receive()
    if first is None:
        sys.exit(0)
    limits: dict[str, Any] = first["limits"]
    if sys.platform == "linux" and limits["cpu"] is not None:
        os.sched_setaffinity(0, {limits["cpu"]})
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, limits["files"])
    _limit(resource.RLIMIT_AS, limits["memory"] + _WORKER_BYTES)
    if limits["count_threads"]:
        _limit(resource.RLIMIT_NPROC, limits["threads"])
    if limits["user"] is not None:
        os.setgroups([])
        os.setgid(limits["user"])
        os.setuid(limits["user"])
    if sys.platform == "linux":
        # Other processes of the same user may not read or change this one.
        set_dumpable(False)
        refuse_dangerous_calls()
    channel.send({"ready": True})
    return limits


def confine_program(limits: dict[str, Any]) -> None:
    """Set limits for the process that runs foreign code, from here to its end."""
    seconds = math.ceil(limits["seconds"])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    _limit(resource.RLIMIT_FSIZE, limits["output"])
    _limit(resource.RLIMIT_STACK, _STACK_BYTES)
    _limit(resource.RLIMIT_AS, limits["memory"])
    if sys.platform == "linux":
        # Files of its own under /proc, where a sandbox has one, belong to root otherwise: /dev/stdin is there.
        set_dumpable(True)
        refuse_calls_of_a_worker()


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(kind, (value, value))
    except (OSError, ValueError):
        if sys.platform == "linux":  # macOS refuses some limits
            raise
