"""Programs that try to use up the machine. Each run ends, within its limits, and the next one works."""

from __future__ import annotations

import asyncio
import textwrap
from dataclasses import replace
from typing import Any

import pytest

from selfagg.sandbox import Limits, ProgramResult, Sandbox, load_program

TIME = "it ran past the time limit"
MEBIBYTE = 1 << 20


async def run(sandbox: Sandbox, code: str, limits: Limits) -> ProgramResult:
    async with load_program(sandbox, textwrap.dedent(code), limits) as program:
        return await program.run("")


ENDLESS = {
    "computing": "while True: pass",
    "computing in threads": "import threading\nfor _ in range(4): threading.Thread(target=loop).start()",
    "sleeping": "import time\ntime.sleep(3600)",
    "threads that wait": "import threading\nthreading.Thread(target=threading.Event().wait).start()",
    "an exit handler": "import atexit\natexit.register(loop)",
    "a finaliser": "class A:\n    def __del__(self): loop()\na = A()\ndel a",
    "deaf to signals": "import signal\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n"
    "    except (OSError, ValueError): pass\nloop()",
    "catching everything": "while True:\n    try: loop()\n    except BaseException: pass",
    "waiting for input": "import os\nr, w = os.pipe()\nos.read(r, 1)",
    "a regular expression": "import re\nre.match(r'(a+)+$', 'a' * 64 + 'b')",
    "a number": "9 ** 9 ** 9",
    "waiting for a signal": "import signal\nsignal.pause()",
    "stopping itself": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
}


async def test_endless_programs_end(attack: Any, limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Limits, "wall_seconds", 3.0)  # 15 s otherwise; a program at work is not ended by it
    form = "def loop():\n    while True: pass\n{attack}"
    at_once = await asyncio.gather(*(attack({how: code}, limits, form) for how, code in ENDLESS.items()))
    ended = {how: result.failure for results in at_once for how, result in results.items()}
    assert ended == dict.fromkeys(ENDLESS, TIME)


MEMORY = {
    "bytes": "x = []\nwhile True: x.append(bytearray(1 << 24))",
    "at once": "x = b'x' * (1 << 40)",
    "a list": "x = [0]\nwhile True: x += x",
    "a mapping": "import mmap\nx = []\nwhile True: x.append(mmap.mmap(-1, 1 << 24)); x[-1][:] = b'x' * (1 << 24)",
    "a text": "x = 'x'\nwhile True: x += x",
    "a file": "import os\nx = 0\nwhile True:\n    with open(str(x), 'wb') as f: f.write(b'x' * (1 << 19))\n    x += 1",
    "one file": "f = open('x', 'wb')\nwhile True: f.write(b'x' * 65536)",
    "threads": "import threading as t, time\nwhile True: t.Thread(target=time.sleep, args=(9,), daemon=True).start()",
    "descriptors": "import os\nx = []\nwhile True: x.append(os.pipe())",
    "forks": "import os\nwhile True: os.fork()",
    "processes": "import multiprocessing as m\nwhile True: m.Process(target=print).start()",
    "folders": "import os\nwhile True: os.mkdir('x' * 200); os.chdir('x' * 200); open('y', 'wb').write(b'x' * 65536)",
}


async def test_using_up_ends_in_an_error_of_the_program(attack: Any, limits: Limits) -> None:
    results = await attack(MEMORY, replace(limits, seconds=5))
    assert [what for what, result in results.items() if result.failure in (None, TIME)] == []


ENTRIES = {
    "files": "while True: open(f'{n}', 'w').close(); n += 1",
    "folders": "while True: os.mkdir(f'{n}'); n += 1",
    "links": "while True: os.symlink('x' * 4000, f'{n}'); n += 1",
    "beside its folder": "while True: open(f'../{n}', 'w').close(); n += 1",
    "in depth": "while True: os.mkdir('x'); os.chdir('x')",
    "without a name": "x = []\nwhile True: os.open('.', os.O_TMPFILE | os.O_RDWR)",
    "in threads": "[threading.Thread(target=many).start() for _ in range(8)]",
}


async def test_files_are_counted(sandbox: Sandbox) -> None:
    many = "def many(f=''):\n    n = 0\n    while True:\n        open(f'{id(n)}{n}', 'w').close()\n        n += 1"
    code = f"import os, threading\n{many}\nn, what = 0, input()\n"
    code += f"print(sorted(os.listdir('..')), flush=True)\nexec({ENTRIES!r}[what])"
    async with load_program(sandbox, code, Limits(seconds=20, disk=64 << 20, entries=2_000)) as program:
        for what in [*ENTRIES, "files"]:
            attacked = await program.run(what)
            assert attacked.failure is not None
            assert attacked.failure.startswith(("it made too many files", "OSError: [Errno 24] Too many open files"))
            assert attacked.output == "['stderr', 'stdin', 'stdout', 'tmp', 'value']\n"


async def test_the_disk_has_its_size(sandbox: Sandbox, limits: Limits) -> None:
    code = """
        import os
        n = 0
        try:
            while True:
                with open(str(n), "wb") as f: f.write(bytes(1 << 19))
                n += 1
        except OSError as error:
            for x in range(n): os.unlink(str(x))
            print(n // 2, error.strerror)
    """
    size, _, error = (await run(sandbox, code, limits)).output.partition(" ")
    assert int(size) <= limits.disk // MEBIBYTE
    assert error == "No space left on device\n"


async def test_memory_has_its_size(sandbox: Sandbox, limits: Limits) -> None:
    code = """
        x = []
        try:
            while True: x.append(bytes(1 << 20))
        except MemoryError:
            n = len(x)
            x = None
            print(n)
    """
    assert int((await run(sandbox, code, limits)).output) < limits.memory // MEBIBYTE


async def test_threads_are_counted(sandbox: Sandbox, limits: Limits) -> None:
    code = """
        import threading, time
        n = 0
        try:
            while n < 1000:
                threading.Thread(target=time.sleep, args=(0.5,), daemon=True).start()
                n += 1
        except RuntimeError:
            pass
        print(n)
    """
    limits = replace(limits, memory=512 << 20)  # each has its stack
    assert 10 <= int((await run(sandbox, code, limits)).output) < limits.threads


OUTPUT = {
    "lines": "while True: print('x' * 99)",
    "one line": "import sys\nwhile True: sys.stdout.write('x' * 65536)",
    "by descriptor": "import os\nwhile True: os.write(1, b'x' * 65536)",
    "errors": "import os\nwhile True: os.write(2, b'x' * 65536)",
    "at the end": "import atexit, os\natexit.register(lambda: [os.write(1, b'x' * 65536) for _ in range(99999)])",
    "control characters": "import os\nwhile True: os.write(1, bytes(65536))",
    "a hole": "import os\nos.lseek(1, 1 << 40, 0)\nos.write(1, b'x')",
}


async def test_output_has_its_size(attack: Any, limits: Limits) -> None:
    for how, result in (await attack(OUTPUT, limits)).items():
        assert len(result.output.encode()) <= limits.output, how


async def test_a_returned_value_has_its_size(sandbox: Sandbox, limits: Limits) -> None:
    async with load_program(sandbox, "def f(): return 'x' * (1 << 24)", limits) as program:
        outcome = await program.call("f", [])
    assert outcome.failure is not None
    assert len(outcome.value) <= limits.output


CRASHES = {
    "recursion": "def f(): return f()\nf()",
    "recursion in C": "x = []\nfor _ in range(10**6): x = [x]\nrepr(x)",
    "the stack": "import sys\nsys.setrecursionlimit(10**9)\ndef f(*a): return f(*a)\nmap(f, [1])\nclass A:\n"
    "    def __getattr__(self, n): return getattr(self, n + 'x')\nA().x",
    "a null pointer": "import ctypes\nctypes.string_at(0)",
    "abort": "import os\nos.abort()",
    "a signal": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "closed descriptors": "import os\nos.closerange(0, 64)\nprint('x')",
    "no streams": "import sys\nsys.stdout = sys.stderr = None\nraise ValueError",
    "an exception": "raise ValueError('no')",
    "an exit handler": "import atexit, os\natexit.register(os._exit, 3)",
    "a broken stream": "import sys\nclass S:\n    def flush(self): raise OSError\nsys.stdout = S()",
}


async def test_a_crash_is_a_failure(attack: Any, limits: Limits) -> None:
    results = await attack(CRASHES, limits)
    assert [how for how, result in results.items() if result.failure is None] == []


SOURCES = {
    "not Python": "this is prose",
    "a null byte": "x = '\0'",
    "brackets": "(" * 100_000,
    "nesting": "x = " + "-" * 200_000 + "1",
    "a long sum": "x = " + "1+" * 200_000 + "1",
    "surrogates": "x = '\ud800'",
    "a great number": "x = " + "9" * 100_000,
}


@pytest.mark.parametrize("what", SOURCES)
async def test_a_source_that_does_not_compile_fails(what: str, sandbox: Sandbox, limits: Limits) -> None:
    assert (await run(sandbox, SOURCES[what], limits)).failure is not None
