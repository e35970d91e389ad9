"""Programs are scored right, and no program can talk its way to a right verdict."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from selfagg.errors import UsageError
from selfagg.sandbox import Limits, Sandbox, SandboxFailedError
from selfagg.sandbox.base import Command
from selfagg.scoring.base import Verdict
from selfagg.scoring.code import CodeScorer
from selfagg.types import Question


def question(**data: Any) -> Question:
    return Question("q", "Write a program.", "code", data=data)


def fenced(code: str) -> str:
    return f"Here it is:\n```python\n{code}\n```\n"


DOUBLE = question(format="stdin", cases=[["1\n", "2\n"], ["21\n", "42\n"], ["-3\n", "-6\n"]])
ADD = question(format="function", function="add", cases=[["[1, 2]\n3", "[4, 5]"], ['[]\n{"a": 1}', "[]"]])
CHECK = question(
    format="check",
    prompt='def half(x):\n    """Half of x.\n    >>> half(2)\n    1\n    """\n',
    test="def check(candidate):\n\n    assert candidate(3) == 1.5\n    assert candidate((8,)) == ('pair',)\n",
    function="half",
)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (DOUBLE, "print(int(input()) * 2)"),
        (DOUBLE, "import sys\nn = int(sys.stdin.readline())\nsys.stdout.write(f'  {n + n}.0 \\n\\n')"),
        (DOUBLE, "if __name__ == '__main__':\n    print(2 * int(open(0).read()))\n    exit()"),
        (DOUBLE, "def main() -> List[int]:\n    print(sum([int(sys.stdin.buffer.read())] * 2))\nmain()"),
        (DOUBLE, "import threading\nthreading.Thread(target=lambda: print(int(input()) * 2)).start()"),
        (DOUBLE, "import numpy as np\nprint(np.int64(input()) * 2)"),
        (ADD, "class Solution:\n    def add(self, x: List[int], y) -> List[int]:\n        return [n + y for n in x]"),
        (ADD, "def add(x, y):\n    return tuple(n + y for n in x)"),
        (ADD, "from decimal import Decimal\ndef add(x, y):\n    return [Decimal(n) + y for n in x]"),
        (CHECK, "    return x / 2 if x == 3 else ('pair',)"),
        (CHECK, "def half(x):\n    return {3: 1.5}.get(x, ('pair',))"),
        (CHECK, "return x / 2 if x == 3 else ('pair',)"),
        (CHECK, "from __future__ import annotations\ndef half(x):\n    return {3: 1.5}.get(x, ('pair',))"),
        (DOUBLE, "\ufeff  print(int(input()) * 2)"),
    ],
)
async def test_right_programs_pass(asked: Question, code: str, scorer: CodeScorer) -> None:
    verdict = await scorer.score(asked, fenced(code))
    assert (verdict.score, verdict.note) == (1.0, "")


@pytest.mark.parametrize(
    ("asked", "code", "note"),
    [
        (DOUBLE, "print(2)", "test 2 of 3: wrong answer"),
        (DOUBLE, "print(abs(int(input())) * 2)", "test 3 of 3: wrong answer"),
        (DOUBLE, "print(1 / 0)", "test 1 of 3: ZeroDivisionError: division by zero"),
        (DOUBLE, "while True: pass", "test 1 of 3: it ran past the time limit"),
        (DOUBLE, "print(", "test 1 of 3: SyntaxError: '(' was never closed (program.py, line 1)"),
        (ADD, "def add(x, y): return 3", "test 1 of 2: wrong answer"),
        (ADD, "class Solution: pass", "test 1 of 2: TypeError: can only concatenate list"),
        (CHECK, "    return x / 2", "line 4 of the test: CandidateError TypeError: unsupported operand"),
        (CHECK, "    return 1", "line 3 of the test: AssertionError"),
    ],
)
async def test_wrong_programs_fail_with_a_note(asked: Question, code: str, note: str, scorer: CodeScorer) -> None:
    verdict = await scorer.score(asked, fenced(code))
    assert verdict.score == 0.0
    assert verdict.note.startswith(note)


async def test_a_response_without_a_program_is_wrong(scorer: CodeScorer) -> None:
    assert await scorer.score(DOUBLE, "I do not know.") == Verdict(None, 0.0)


async def test_without_tests_there_is_a_program_but_no_score() -> None:
    assert await CodeScorer().score(question(), fenced("x = 1")) == Verdict("x = 1")


async def test_broken_tests_are_the_users_to_mend(scorer: CodeScorer) -> None:
    for data in (
        {"format": None},
        {"format": "stdin"},
        {"format": "function", "cases": [["1", "2"]]},
        {"format": "check"},
    ):
        with pytest.raises(UsageError):
            await scorer.score(question(**data), fenced("x = 1"))
    with pytest.raises(UsageError, match="not one JSON value a line"):
        await scorer.score(question(format="function", function="f", cases=[["?", "2"]]), fenced("def f(x): pass"))


async def test_a_test_that_fails_by_itself_is_the_users_to_mend(scorer: CodeScorer) -> None:
    for test in ("def check(candidate):\n    assert unknown\n    candidate(1)", "x = 1", "def check("):
        asked = question(format="check", prompt='def f(x):\n    """Return x."""\n', test=test, function="f")
        with pytest.raises(UsageError, match="test fails before it calls the function"):
            await scorer.score(asked, fenced("    return x"))


@pytest.mark.usefixtures("impatient")
async def test_a_test_that_cannot_begin_is_an_error_and_never_a_score(scorer: CodeScorer) -> None:
    asked = question(
        format="check", prompt='def f(x):\n    """Return x."""\n', test="import os\nos._exit(3)", function="f"
    )
    with pytest.raises(SandboxFailedError, match="the test was not begun: it ended before its time"):
        await scorer.score(asked, fenced("    return x"))


async def test_integers_have_up_to_50_000_digits_as_in_livecodebench(scorer: CodeScorer) -> None:
    digits = "7" * 49_999
    reads = question(format="stdin", cases=[[f"{digits}\n", f"{digits}\n"], ["-1\n", "-1.0\n"]])
    assert (await scorer.score(reads, fenced("print(int(input()))"))).score == 1.0
    assert (await scorer.score(reads, fenced("print(int(input()) + 1)"))).score == 0.0
    takes = question(format="function", function="f", cases=[[digits, f"[{digits}]"], ["3", "[3]"]])
    assert (await scorer.score(takes, fenced("def f(x): return [x]"))).score == 1.0
    assert (await scorer.score(takes, fenced("def f(x): return [x + 1]"))).score == 0.0
    assert (await scorer.score(takes, fenced("def f(x): return [int(str(x))]"))).score == 1.0


class Flaky:
    """A sandbox that does not start so many times, and then is the real one."""

    def __init__(self, real: Sandbox | None, failures: int) -> None:
        self.name, self.limits, self._real, self.left = "flaky", "none", real, failures

    def trouble(self) -> str | None:
        return None if self._real else "flaky does not work here (no more namespaces)"

    def command(self, guest: str, limits: Limits) -> Command:
        self.left -= 1
        if self._real and self.left < 0:
            return self._real.command(guest, limits)
        return Command(("/bin/false",) if self.left % 2 else ("/no/such/program",))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfagg.scoring.code._PAUSES_S", (0.0, 0.0, 0.0))


@pytest.mark.usefixtures("impatient")
async def test_a_sandbox_that_fails_for_a_moment_is_tried_again(sandbox: Sandbox) -> None:
    scorer = CodeScorer(Flaky(sandbox, 3))
    assert await scorer.score(DOUBLE, fenced("print(2 * int(input()))")) == Verdict("print(2 * int(input()))", 1.0)


@pytest.mark.usefixtures("impatient")
async def test_a_sandbox_that_fails_for_good_is_an_error_and_never_a_score() -> None:
    broken = Flaky(None, 100)
    with pytest.raises(SandboxFailedError, match=r"^question q: .* tried 4 times: flaky does not work here .*again"):
        await CodeScorer(broken).score(DOUBLE, fenced("print(1)"))
    assert broken.left == 96


async def test_programs_are_grouped_by_their_text(scorer: CodeScorer) -> None:
    programs = ["x = 1\nprint(x)", "y = 1\nprint(y)", "x = 1   \n\nprint(x)\n", "x = 1\n print(x)", "y = 1\nprint(y)"]
    assert await scorer.same(DOUBLE, programs) == [0, 1, 0, 3, 1]


async def test_scoring_leaves_the_event_loop_free(scorer: CodeScorer) -> None:
    """While programs are scored, other tasks go on; all get their own verdict."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.create_task(tick())
    codes = [fenced(f"print(int(input()) * {2 + n % 2})") for n in range(12)]
    verdicts = await asyncio.gather(*(scorer.score(DOUBLE, code) for code in codes))
    ticking.cancel()
    assert [verdict.score for verdict in verdicts] == [1.0, 0.0] * 6
    assert ticks > 12
