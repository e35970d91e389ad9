"""Limits that a guest sets on itself before foreign code runs: resources, user, and system calls (seccomp).

They stand beside the sandbox around them (namespaces, mounts, a control group), not in its place. They need no
rights: a program may have threads but no second process, so its address space is all the memory it can have.

Only the system calls that computing needs are allowed. Two filters stand on each other. The first holds for the whole
sandbox, from before any foreign text is read. The second takes from a program what only the worker needs: new
processes and signals to others.
"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterable
from typing import Any

from selfagg.sandbox.guest.messages import Channel

_STACK_BYTES = 100 << 20
_WORKER_BYTES = 1 << 30

_PR_SET_NAME, _PR_GET_NAME, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 15, 16, 4, 22, 38
_FILTER_MODE = 2

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_ALLOW, _REFUSE, _NOT_THERE, _KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
_X32_CALLS = 0x40000000
_MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_CLONE_THREAD = 0x10000
_CLONE_OUTSIDE = 0x7E02A000  # CLONE_NEW*, CLONE_PTRACE and CLONE_PARENT: namespaces, and children of others
# name number-on-x86_64/number-on-aarch64; "-" where the machine lacks the call.
_ALWAYS = (
    # Memory. Not: memfd_create, shmget, mlock and their like, which RLIMIT_AS does not count; userfaultfd.
    "mmap 9/222 munmap 11/215 mremap 25/216 mprotect 10/226 madvise 28/233 msync 26/227 brk 12/214",
    # Threads. Not: changes of processors and priority.
    "futex 202/98 set_robust_list 273/99 rseq 334/293 gettid 186/178 set_tid_address 218/96 sched_yield 24/124",
    "sched_getaffinity 204/123 getcpu 309/168 exit 60/93 exit_group 231/94 restart_syscall 219/128 wait4 61/260",
    # Time. Not: timer_create, whose timers and signals take memory of the kernel; setting clocks.
    "clock_gettime 228/113 clock_getres 229/114 clock_nanosleep 230/115 nanosleep 35/101 gettimeofday 96/169",
    "time 201/- times 100/153 getitimer 36/102 setitimer 38/103 alarm 37/-",
    # Signals of its own. Not: rt_sigqueueinfo, tkill, pidfd_send_signal, which reach others.
    "rt_sigaction 13/134 rt_sigprocmask 14/135 rt_sigreturn 15/139 rt_sigpending 127/136 rt_sigsuspend 130/133",
    "rt_sigtimedwait 128/137 sigaltstack 131/132 pause 34/-",
    # Waiting, and pipes (asyncio). Not: inotify, fanotify, signalfd, io_uring, io_setup (a limit of the host).
    "poll 7/- ppoll 271/73 select 23/- pselect6 270/72 epoll_create 213/- epoll_create1 291/20 epoll_ctl 233/21",
    "epoll_wait 232/- epoll_pwait 281/22 epoll_pwait2 441/441 eventfd2 290/19 pipe 22/- pipe2 293/59",
    # Reading and writing. Not: splice, vmsplice, tee, sendfile; flock.
    "read 0/63 write 1/64 readv 19/65 writev 20/66 pread64 17/67 pwrite64 18/68 preadv 295/69 pwritev 296/70",
    "preadv2 327/286 pwritev2 328/287 lseek 8/62 open 2/- openat 257/56 close 3/57 close_range 436/436 dup 32/23",
    "dup2 33/- dup3 292/24 ftruncate 77/46 truncate 76/45 fallocate 285/47 fsync 74/82 fdatasync 75/83",
    # Files by name. Not: setxattr, whose memory no limit counts; link, mknod, mount, chroot, chown; execve.
    "stat 4/- fstat 5/80 lstat 6/- newfstatat 262/79 statx 332/291 statfs 137/43 fstatfs 138/44 access 21/-",
    "faccessat 269/48 faccessat2 439/439 readlink 89/- readlinkat 267/78 getdents64 217/61 getcwd 79/17 chdir 80/49",
    "fchdir 81/50 mkdir 83/- mkdirat 258/34 rmdir 84/- unlink 87/- unlinkat 263/35 rename 82/- renameat 264/38",
    "renameat2 316/276 symlink 88/- symlinkat 266/36 chmod 90/- fchmod 91/52 fchmodat 268/53 fchmodat2 452/452",
    "umask 95/166 utimensat 280/88 listxattr 194/11 llistxattr 195/12",
    # Itself and the machine. Not: set*id, capset, personality, ptrace, process_vm_*, pidfd_*, keyctl, bpf, perf.
    "getpid 39/172 getppid 110/173 getuid 102/174 geteuid 107/175 getgid 104/176 getegid 108/177 getgroups 115/158",
    "getresuid 118/148 getresgid 120/150 getpgid 121/155 getpgrp 111/- getsid 124/156 setsid 112/157 uname 63/160",
    "sysinfo 99/179 getrusage 98/165 getrlimit 97/163 getrandom 318/278",
    # The pair of sockets by which asyncio wakes itself. Not: socket, connect; sendmsg, which can hold open files.
    "recvfrom 45/207 shutdown 48/210 getsockname 51/204 getsockopt 55/209",
)
_IN_PART = (
    "clone 56/220 fork 57/- kill 62/129 tgkill 234/131 fcntl 72/25 ioctl 16/29 prctl 157/167 setrlimit 160/164",
    "prlimit64 302/261",
)
_SOCKETS_IN_PART = "socketpair 53/199 sendto 44/206"

_FCNTL = (0, 1, 2, 3, 4, 1030)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC; not signals to others, locks and sizes of pipes."""

_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX


def begin(channel: Channel) -> dict[str, Any]:
    """Take the first message, set the limits of the whole session that it holds, and say so.

    Those are: processor, threads, open files, a user of its own if we are root, and the system calls.

    Returns:
        The limits: those of `selfagg.sandbox.base.Command.guest_limits`.
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
        _prctl(_PR_SET_DUMPABLE, 0)
        _install(_sandbox_filter(os.uname().machine))
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
        _prctl(_PR_SET_DUMPABLE, 1)
        _install(_program_filter(os.uname().machine, os.getpid()))


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


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _install(code: bytes) -> None:
    program = _FilterProgram(len(code) // 8, code)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(program))


def _sandbox_filter(machine: str) -> bytes:
    if machine not in _MACHINES:
        raise OSError(f"system calls cannot be filtered on {machine}")
    number = _numbers(machine, (*_IN_PART, _SOCKETS_IN_PART))
    steps = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, _MACHINES[machine], 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _X32_CALLS, 0, 1),
        _step(_RETURN, _NOT_THERE),
    ]
    for always in _numbers(machine, _ALWAYS).values():
        steps += _call(always)
    steps += _call(number["clone"], _tested(0, _ANY_BIT, _CLONE_OUTSIDE, False))
    steps += _call(number["fork"]) if "fork" in number else []
    steps += _call(number["kill"]) + _call(number["tgkill"]) + _call(number["setrlimit"])
    steps += _call(number["fcntl"], _one_of(1, _FCNTL)) + _call(number["ioctl"], _one_of(1, _IOCTL))
    options = (_PR_SET_NAME, _PR_GET_NAME, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS)
    steps += _call(number["prctl"], _one_of(0, options))
    steps += _call(number["prlimit64"], _one_of(0, (0,)))  # of itself alone
    # AF_UNIX, a stream (with any of SOCK_CLOEXEC, SOCK_NONBLOCK); nothing is sent to an address.
    steps += _call(number["socketpair"], _one_of(0, (1,)), _one_of(1, (1, 0x801, 0x80001, 0x80801)))
    steps += _call(number["sendto"], _one_of(4, (0,)), _one_of(4, (0,), upper=True))
    # The C library falls back on other calls where one is not there: on clone, whose flags can be seen, for clone3.
    return b"".join([*steps, _step(_RETURN, _NOT_THERE)])


def _program_filter(machine: str, pid: int) -> bytes:
    number = _numbers(machine, _IN_PART)
    steps = [_step(_LOAD, _NUMBER)]
    steps += _call(number["clone"], _tested(0, _ANY_BIT, _CLONE_THREAD, True))
    steps += _call(number["fork"], [_step(_RETURN, _REFUSE)]) if "fork" in number else []
    # Not SIGKILL, nor a limit that sends it: to the worker it says that something outside ended the program.
    steps += _call(number["kill"], _one_of(0, (pid,)), _tested(1, _EQUAL, signal.SIGKILL, False))
    steps += _call(number["tgkill"], _one_of(0, (pid,)), _tested(2, _EQUAL, signal.SIGKILL, False))
    for limit, place in (("setrlimit", 0), ("prlimit64", 1)):
        steps += _call(number[limit], _tested(place, _EQUAL, resource.RLIMIT_CPU, False))
    steps += _call(number["prctl"], _one_of(0, (_PR_SET_NAME, _PR_GET_NAME)))
    return b"".join([*steps, _step(_RETURN, _ALLOW)])


def _numbers(machine: str, calls: Iterable[str]) -> dict[str, int]:
    """Return the number of each call that this machine has."""
    column = list(_MACHINES).index(machine)
    words = " ".join(calls).split()
    found = {name: both.split("/")[column] for name, both in zip(words[::2], words[1::2], strict=True)}
    return {name: int(number) for name, number in found.items() if number != "-"}


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _call(number: int, *conditions: list[bytes]) -> list[bytes]:
    """Allow this call if all conditions hold, which refuse it else; pass over them for other calls."""
    steps = [step for condition in conditions for step in condition]
    return [_step(_EQUAL, number, 0, len(steps) + 1), *steps, _step(_RETURN, _ALLOW)]


def _argument(place: int, upper: bool = False) -> bytes:
    return _step(_LOAD, _ARGUMENTS + 8 * place + 4 * upper)


def _one_of(place: int, values: Iterable[int], upper: bool = False) -> list[bytes]:
    wanted = list(values)
    tests = [_step(_EQUAL, value, len(wanted) - n) for n, value in enumerate(wanted)]
    return [_argument(place, upper), *tests, _step(_RETURN, _REFUSE)]


def _tested(place: int, test: int, value: int, wanted: bool) -> list[bytes]:
    return [_argument(place), _step(test, value, int(wanted), int(not wanted)), _step(_RETURN, _REFUSE)]
