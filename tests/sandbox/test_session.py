"""A guest that is gone, silent or talks nonsense ends its session, and nothing worse; a program behaves as outside."""

from __future__ import annotations

import asyncio
import json
import struct
import sys
from pathlib import Path

import pytest

from selfagg.errors import UsageError
from selfagg.sandbox import (
    Limits,
    ProgramResult,
    Sandbox,
    SandboxFailedError,
    SessionLost,
    choose_sandbox,
    load_program,
    open_session,
)
from selfagg.sandbox.base import Command
from selfagg.sandbox.choose import Unprotected
from selfagg.sandbox.guest.messages import decode, encode, pack

LIMITS = Limits(seconds=0.1, output=1_000)


class Says:
    """A sandbox whose guest writes these bytes, whatever it is told, and waits."""

    name, limits = "says", "none"

    def __init__(self, said: bytes, then: str = "input()") -> None:
        self._program = f"import os, sys\nos.write(1, {said!r})\n{then}"

    def trouble(self) -> str | None:
        return None

    def command(self, guest: str, limits: Limits) -> Command:
        return Command((sys.executable, "-c", self._program))


READY = pack({"ready": True})
LOADED = pack({"error": None})


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (struct.pack(">I", 3) + b"{1}", "it sent no proper message"),
        (pack({})[:-1], "it ended before its time"),
        (struct.pack(">I", 2) + b"[]", "it sent no proper message"),
        (struct.pack(">I", 2) + b"\xff\xff", "it sent no proper message"),
        (struct.pack(">I", 100_000) + b"[" * 100_000, "it wrote too much"),
        (struct.pack(">I", 60_000) + b"[" * 60_000, "it sent no proper message"),
        (b"\xff\xff\xff\xff", "it wrote too much"),
        (b"\0\0", "it ended before its time"),
        (b"", "it ended before its time"),
    ],
)
async def test_nonsense_is_a_lost_session(said: bytes, reason: str) -> None:
    async with open_session(Says(READY + said, then="import time\ntime.sleep(0.5)"), "worker", LIMITS) as session:
        await session.start({})
        with pytest.raises(SessionLost, match=reason):
            await session.receive(30)


async def test_silence_is_a_lost_session() -> None:
    async with open_session(Says(READY, then="sys.stdin.read()"), "worker", LIMITS) as session:
        await session.start({})
        with pytest.raises(SessionLost, match="it ran past the time limit"):
            await session.receive(0.2)


async def test_a_guest_that_does_not_listen_is_a_lost_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfagg.sandbox.session.START_SECONDS", 0.5)
    guest = Says(READY, then="import time\ntime.sleep(60)")
    async with open_session(guest, "worker", LIMITS) as session:
        with pytest.raises(SessionLost, match="it ran past the time limit"):
            await session.send({"stdin": "x" * 10_000_000})


async def test_a_guest_that_does_not_start_is_the_sandboxs_failure() -> None:
    with pytest.raises(SandboxFailedError, match="the sandbox did not start: it ended before its time"):
        async with load_program(Says(b"", then="sys.exit(1)"), "", LIMITS):
            pass


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"status": "done", "output": 3, "value": ""},
        {"status": "done", "output": "not base64!", "value": ""},
        {"status": "error", "output": "", "errors": None},
        {"status": ["done"], "output": "", "errors": ""},
    ],
)
async def test_a_report_of_another_form_is_a_failure(report: dict[str, object]) -> None:
    said = READY + LOADED + pack(report) + pack({"status": "done", "output": "", "value": ""})
    async with load_program(Says(said, then="sys.stdin.read()"), "", LIMITS) as program:
        assert (await program.run("")).failure is not None


async def test_a_lost_session_stays_lost() -> None:
    """An answer that comes late is not taken for the next run's."""
    late = pack({"status": "done", "output": "", "value": ""})
    said = READY + LOADED + struct.pack(">I", 2) + b"[]" + late
    async with load_program(Says(said, then="sys.stdin.read()"), "", LIMITS) as program:
        lost = ProgramResult(failure="it sent no proper message")
        assert [await program.run(""), await program.run("")] == [lost, lost]


@pytest.fixture(params=["bubblewrap", "unprotected"])
def any_sandbox(request: pytest.FixtureRequest) -> Sandbox:
    try:
        return choose_sandbox(request.param)
    except UsageError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("code", "stdin", "output"),
    [
        ("print(input()[::-1])", "äöü€😀\n", "😀€üöä\n"),
        ("import sys\nprint(len(sys.stdin.read()))", "x" * 3_000_000, "3000000\n"),
        ("import sys\nprint(sys.stdin.buffer.read())", "a\r\nb", "b'a\\r\\nb'\n"),
        ("print(open('/dev/stdin').read())", "x", "x\n"),
        ("for line in open(0): print(line, end='')", "1\n2\n", "1\n2\n"),
        ("import os\nos.write(1, b'\\xff')", "", "\ufffd"),
        ("print('a', end='')\nexit()", "", "a"),
        ("import sys\nprint('a')\nsys.exit('with a message')", "", "a\n"),
        ("import atexit\natexit.register(print, 'last')\nprint('first')", "", "first\nlast\n"),
        ("from concurrent.futures import ThreadPoolExecutor as T\nprint(*T().map(int, '12'))", "", "1 2\n"),
        ("import asyncio\nasync def f(): print('f')\nasyncio.run(f())", "", "f\n"),
        (
            "import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return n and 1 + f(n - 1)\nprint(f(9**5))",
            "",
            "59049\n",
        ),
        ("import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: 'int' = 1\nprint(A())", "", "A(x=1)\n"),
        ("print(__name__, {'b', 'a', 'c'} and 1)", "", "__main__ 1\n"),
        ("import tempfile\nwith tempfile.TemporaryFile() as f: print(f.write(b'abc'))", "", "3\n"),
    ],
)
async def test_scripts_run(code: str, stdin: str, output: str, any_sandbox: Sandbox) -> None:
    async with load_program(any_sandbox, code, Limits()) as program:
        assert await program.run(stdin) == ProgramResult(output)


async def test_each_run_is_new(any_sandbox: Sandbox) -> None:
    code = "import builtins\nbuiltins.n = getattr(builtins, 'n', 0) + 1\nprint(builtins.n)\ndef f(): return n"
    async with load_program(any_sandbox, code, Limits()) as program:
        assert [(await program.run("")).output for _ in range(3)] == ["1\n"] * 3
        assert (await program.call("f", [])).value == "1"


async def test_runs_are_alike(any_sandbox: Sandbox) -> None:
    """Sets of texts come in the same order every time, so that verdicts do too."""
    outputs = set()
    for _ in range(3):
        async with load_program(any_sandbox, "print({'ab', 'cd', 'ef', 'gh'})", Limits()) as program:
            outputs.add((await program.run("")).output)
    assert len(outputs) == 1


async def test_functions_are_called(any_sandbox: Sandbox) -> None:
    code = "def f(*args, **kwargs):\n    print('aside')\n    return [args, kwargs]"
    async with load_program(any_sandbox, code, Limits()) as program:
        outcome = await program.call("f", encode([(1, 2), {3: {4}}]), encode({"key": 2**100}))
    assert outcome.output == "aside\n"
    assert decode(json.loads(outcome.value)) == [((1, 2), {3: {4}}), {"key": 2**100}]


async def test_contest_programs_find_the_names_of_the_harness(any_sandbox: Sandbox) -> None:
    code = "print(List, heappush, pow(2, 3, 5), datetime.datetime, inf, Counter('aa'), open is __builtins__['open'])"
    async with load_program(any_sandbox, code, Limits(), contest=True) as program:
        outcome = await program.run("")
    assert outcome.failure is None
    assert outcome.output.startswith("typing.List <built-in function heappush> 3 <class 'datetime.datetime'> inf")
    async with load_program(any_sandbox, "print(heappush)", Limits()) as program:
        assert (await program.run("")).failure == "NameError: name 'heappush' is not defined"


async def test_a_large_output_comes_whole(any_sandbox: Sandbox) -> None:
    async with load_program(any_sandbox, "print('x' * 10_000_000)", Limits()) as program:
        assert len((await program.run("")).output) == 10_000_001


def test_unprotected_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    async def output() -> str:
        async with load_program(Unprotected(), "import os\nprint(os.getcwd())", Limits()) as program:
            return (await program.run("")).output

    assert str(tmp_path) in asyncio.run(output())
    assert not list(tmp_path.iterdir())
