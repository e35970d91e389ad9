"""Programs that ask the kernel for what computing does not need. Each prints ESCAPED if it gets it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from selfagg.sandbox import Limits, ProgramResult, Sandbox, load_program
from selfagg.sandbox.guest import confine

BEGIN = """
import ctypes, errno, fcntl, mmap, os, resource, signal, socket, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(*arguments):
    words = [ctypes.c_long(x) if isinstance(x, int) else x for x in arguments]
    if libc.syscall(*words) == -1:
        raise OSError(ctypes.get_errno(), "refused")
"""

MACHINE = os.uname().machine
CALLABLE = set(confine._numbers(MACHINE, (*confine._ALWAYS, *confine._IN_PART, confine._SOCKETS_IN_PART)).values())
OF_PROBES = {335, 336}
"""uretprobe and uprobe, which Linux keeps from filters; they end a process that was not made to call them."""


async def run(sandbox: Sandbox, code: str, limits: Limits) -> ProgramResult:
    async with load_program(sandbox, BEGIN + textwrap.dedent(code), limits) as program:
        return await program.run("")


async def test_a_call_that_is_not_listed_is_not_there(sandbox: Sandbox, limits: Limits) -> None:
    code = f"""
        for number in set(range(600)) - {CALLABLE | OF_PROBES!r}:
            try:
                call(number, 0, 0, 0, 0, 0, 0)
                print("ESCAPED", number)
            except OSError as error:
                if error.errno != errno.ENOSYS: print("ESCAPED", number, error)
        print("done")
    """
    assert await run(sandbox, code, limits) == ProgramResult("done\n")


REFUSED = {
    "signals of files to the worker": "fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid())",
    "another signal of files": "fcntl.fcntl(0, 10, signal.SIGKILL)",
    "signals of files by ioctl": "fcntl.ioctl(socket.socketpair()[0], 0x8901, struct.pack('i', os.getppid()))",
    "typing into a terminal": "fcntl.ioctl(0, 0x5412, b'x')",
    "larger pipes": "fcntl.fcntl(os.pipe()[0], 1031, 1 << 20)",
    "locks": "fcntl.lockf(open('x', 'w'), fcntl.LOCK_EX, 1)",
    "locks of open files": "fcntl.fcntl(open('x', 'w'), 37, bytes(32))",
    "locks by flock": "fcntl.flock(open('x', 'w'), fcntl.LOCK_EX)",
    "leases": "fcntl.fcntl(open('x', 'w'), 1024, 1)",
    "news of a folder": "fcntl.fcntl(os.open('.', 0), 1026, 1)",
    "extended attributes": "open('x', 'w').close(); os.setxattr('x', 'user.a', b'x')",
    "a hard link": "open('x', 'w').close(); os.link('x', 'y')",
    "a named pipe": "os.mkfifo('x')",
    "a socket": "socket.socket(socket.AF_UNIX)",
    "a pair of datagram sockets": "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "a pair of another family": "socket.socketpair(30, socket.SOCK_STREAM)",
    "files in flight": "socket.send_fds(socket.socketpair()[0], [b'x'], [0])",
    "a send to an address": "socket.socketpair()[0].sendto(b'x', chr(0) + 'abstract')",
    "limits of the worker": "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (0, 0))",
    "limits of the first process": "resource.prlimit(1, resource.RLIMIT_CPU, (0, 0))",
    "its death with its parent": "libc.prctl(1, 0, 0, 0, 0) and call(999)",
    "its dump": "libc.prctl(4, 0, 0, 0, 0) and call(999)",
    "a filter of its own": "libc.prctl(22, 1, 0, 0, 0) and call(999)",
    "its memory map": "libc.prctl(35, 1, 0, 0, 0) and call(999)",
    "a new process in a thread": "threads(os.fork)",
    "a signal to the worker": "os.kill(os.getppid(), signal.SIGCHLD)",
    "a signal to a thread of another": "call({tgkill}, os.getppid(), os.getppid(), 9)",
    "a child of the worker's": "call({clone}, 0x18000 | 17, 0, 0, 0, 0)",
    "a user namespace": "call({clone}, 0x10000000 | 17, 0, 0, 0, 0)",
    "a program": "os.execv(sys.executable, [sys.executable, '-c', 'print(\"ESCAPED\")'])",
    "more processors": "os.sched_setaffinity(0, range(64))",
    "another priority": "os.nice(1)",
    "processes it may not see": "os.open('/proc/self', os.O_RDONLY)",
}


async def test_is_refused(attack: Any, limits: Limits) -> None:
    numbers = confine._numbers(MACHINE, confine._IN_PART)
    calls = {what: call.format(**numbers) if "{" in call else call for what, call in REFUSED.items()}
    form = f"""{BEGIN}
def threads(function):
    failed = []
    def attempt():
        try: function()
        except OSError as error: failed.append(error)
    thread = threading.Thread(target=attempt)
    thread.start(); thread.join()
    raise failed[0]
try:
    {{attack}}
    print("ESCAPED")
except OSError:
    print("refused")
"""
    assert await attack(calls, limits, form) == dict.fromkeys(REFUSED, ProgramResult("refused\n"))


@pytest.mark.skipif(MACHINE != "x86_64", reason="other machines have one way to call the kernel")
async def test_older_ways_to_call_the_kernel_are_closed(sandbox: Sandbox, limits: Limits) -> None:
    assert (await run(sandbox, "try: call(0x40000000 + 41, 1, 1, 0)\nexcept OSError: print('no')", limits)).output
    # getpid by int 0x80, as 32-bit programs do: mov eax, 20; int 0x80; ret
    old = """
        page = mmap.mmap(-1, 4096, prot=7)
        page.write(bytes.fromhex("b814000000cd80c3"))
        print("ESCAPED", ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))())
    """
    assert await run(sandbox, old, limits) == ProgramResult(failure="it crashed")


async def test_what_computing_needs_is_allowed(sandbox: Sandbox) -> None:
    """Every module of the standard library can be imported; numpy, threads, files and asyncio work."""
    code = """
        import asyncio, importlib, pkgutil, select, shutil, sqlite3, tempfile
        import numpy
        for module in pkgutil.iter_modules():
            if module.name not in ("antigravity", "this", "idlelib", "turtledemo", "test"):
                with __import__("contextlib").suppress(ImportError): importlib.import_module(module.name)
        print(sqlite3.connect(":memory:").execute("select 1").fetchall(), numpy.linalg.det(numpy.eye(3)))
        async def main(): return await asyncio.to_thread(sum, [1, 2])
        print(asyncio.run(main()))
        folder = tempfile.mkdtemp()
        with open(folder + "/a", "w") as file: file.write("x")
        shutil.copytree(folder, "b"); shutil.copy2("b/a", "c"); shutil.move("c", "d"); shutil.rmtree("b")
        with open("d", "r+b") as file: print(mmap.mmap(file.fileno(), 0)[:])
        threading.stack_size(1 << 26)
        thread = threading.Thread(target=print, args=("thread",))
        thread.start(); thread.join()
        signal.signal(signal.SIGALRM, lambda *_: print("alarm"))
        signal.setitimer(signal.ITIMER_REAL, 0.01); time.sleep(1)
    """
    expected = "[(1,)] 1.0\n3\nb'x'\nthread\nalarm\n"
    assert await run(sandbox, code, Limits(seconds=20)) == ProgramResult(expected)


def of_a_process(pid: str) -> dict[str, str]:
    lines = Path("/proc", pid, "status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def owner_of_memory(pid: str) -> int:
    return Path("/proc", pid, "mem").stat().st_uid


def named(name: str) -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (path / "comm").read_text().strip() == name:
                yield path.name


async def test_worker_and_program_have_filters_and_no_rights(sandbox: Sandbox) -> None:
    name = f"looked{os.getpid()}"
    code = f"{BEGIN}\nlibc.prctl(15, {name.encode()!r})\ntime.sleep(60)"
    async with load_program(sandbox, code, Limits()) as program:
        running = asyncio.create_task(program.run(""))
        await until(lambda: bool([*named(name)]))
        (pid,) = named(name)
        worker = of_a_process(pid)["PPid"].strip()
        seen = [of_a_process(one) for one in (worker, pid)]
        assert owner_of_memory(worker) == 0  # it may not be read or changed by its own user
        running.cancel()
    for process in seen:
        assert (process["Seccomp"], process["NoNewPrivs"], int(process["CapEff"], 16)) == ("2", "1", 0)
        assert int(process["CapPrm"], 16) == int(process["CapAmb"], 16) == 0
        assert process["Uid"].split()[0] != "0"
    assert [process["Seccomp_filters"] for process in seen] == ["1", "2"]
    await until(lambda: not Path("/proc", worker).exists())
