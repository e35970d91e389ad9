"""A program in a sandbox behaves as it would outside."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from selfagg.errors import UsageError
from selfagg.sandbox import Limits, ProgramResult, Sandbox, choose_sandbox, load_program
from selfagg.sandbox.choose import Unprotected
from selfagg.sandbox.guest.messages import decode, encode


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
