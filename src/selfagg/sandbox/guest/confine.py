"""Limits that a guest sets on itself before foreign code runs: resources, user, and system calls.

They stand beside what the sandbox around them does (namespaces, mounts), not in its place: they give a memory
limit that needs no cgroups (a program may have threads but no second process, so its address space is all the
memory it can have), and keep the program from the kernel's lesser-used corners.
"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import struct
import sys
from typing import Any

from selfagg.sandbox.guest.frames import Channel

_STACK_BYTES = 100 << 20
_WORKER_BYTES = 1 << 30

_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 22, 38
_FILTER_MODE = 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _REFUSE, _NOT_THERE, _KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
_CLONE_THREAD = 0x10000
_X32_CALLS = 0x40000000

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CALLS: dict[str, tuple[int | None, int | None]] = {
    # name: (x86-64, 64-bit ARM)
    "fork": (57, None),
    "vfork": (58, None),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "unshare": (272, 97),
    "setns": (308, 268),
    "chroot": (161, 51),
    "mount": (165, 40),
    "fsopen": (430, 430),
    "open_tree": (428, 428),
    "personality": (135, 92),
    "socket": (41, 198),
    # Memory that RLIMIT_AS does not count:
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    # Processors and priority:
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "setpriority": (141, 140),
    # Where kernels have had holes:
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}
_CLONE, _CLONE3 = (56, 220), (435, 435)
_KILL_CALL, _TGKILL = (62, 129), (234, 131)


def begin(channel: Channel) -> dict[str, Any]:
    """Takes the first message, sets the limits of the whole session that it holds, and says so.

    Those are: processor, threads, open files, and a user of its own if we are root.

    Returns:
        The limits: `selfagg.sandbox.base.Limits` as a dictionary, with ``cpu`` (number of the processor to stay
            on, or None), ``user`` (id of the user to become, or None) and ``count_threads`` (whether the
            user or its namespace has no processes but the session's, so that they can be counted).
    """
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
        # Other processes of the same user may not read or change this one through /proc.
        _prctl(_PR_SET_DUMPABLE, 0)
    channel.send({"ready": True})
    return limits


def confine_program(limits: dict[str, Any]) -> None:
    """Limits for the process that runs foreign code, from here to its end."""
    seconds = math.ceil(limits["seconds"])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    _limit(resource.RLIMIT_FSIZE, limits["output"])
    _limit(resource.RLIMIT_STACK, _STACK_BYTES)
    _limit(resource.RLIMIT_AS, limits["memory"])
    if sys.platform == "linux":
        _prctl(_PR_SET_DUMPABLE, 1)
        _refuse_calls()


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(kind, (value, value))
    except (OSError, ValueError):
        if sys.platform == "linux":  # macOS refuses some limits
            raise


def _prctl(option: int, value: int, pointer: object = 0) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, ctypes.c_ulong(value), pointer, ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl({option}): {os.strerror(error)}")


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _refuse_calls() -> None:
    code = _filter(os.uname().machine, os.getpid())
    program = _Program(len(code) // 8, code)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(program))


def _filter(machine: str, pid: int) -> bytes:
    """The seccomp filter: refuses the calls above, new processes (not threads), and signals to others."""
    if machine not in _ARCHITECTURES:
        raise OSError(f"system calls cannot be filtered on {machine}")
    column = list(_ARCHITECTURES).index(machine)

    def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("<HBBI", code, if_true, if_false, value)

    def answer(number: int, verdict: int) -> list[bytes]:
        return [step(_EQUAL, number, 0, 1), step(_RETURN, verdict)]

    def only_if(number: int, test: int, wanted: int) -> list[bytes]:
        return [
            step(_EQUAL, number, 0, 4),
            step(_LOAD, _FIRST_ARGUMENT),
            step(test, wanted, 1, 0),
            step(_RETURN, _REFUSE),
            step(_RETURN, _ALLOW),
        ]

    steps = [
        step(_LOAD, _ARCHITECTURE),
        step(_EQUAL, _ARCHITECTURES[machine], 1, 0),
        step(_RETURN, _KILL),
        step(_LOAD, _NUMBER),
        step(_AT_LEAST, _X32_CALLS, 0, 1),
        step(_RETURN, _REFUSE),
        # The C library falls back on clone, whose flags a filter can see.
        *answer(_CLONE3[column], _NOT_THERE),
        *only_if(_CLONE[column], _ANY_BIT, _CLONE_THREAD),
        *only_if(_KILL_CALL[column], _EQUAL, pid),
        *only_if(_TGKILL[column], _EQUAL, pid),
    ]
    for numbers in _CALLS.values():
        number = numbers[column]
        if number is not None:
            steps += answer(number, _REFUSE)
    return b"".join([*steps, step(_RETURN, _ALLOW)])
