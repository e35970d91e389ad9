"""Programs: the last code block of a response, right when it passes every test, in a sandbox.

What is expected never enters the program's sandbox. Outputs and returned values are compared here, outside; a
test that is itself a program (HumanEval's ``check``) runs in a second sandbox, and each of its calls of the
candidate is carried over to the first. So a program can print, return or overwrite what it likes: the only way
to pass is to give the right answers.
"""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from selfagg._internal.blocking import in_thread_if_large
from selfagg.errors import UsageError
from selfagg.sandbox import (
    Limits,
    Program,
    Sandbox,
    SandboxFailedError,
    SessionLost,
    choose_sandbox,
    cpu_seat,
    load_program,
    open_session,
)
from selfagg.sandbox.guest.messages import encode
from selfagg.scoring.base import Verdict, first_equal, scorer_for
from selfagg.scoring.code_blocks import completed, program
from selfagg.scoring.code_tests import Case, Check, Tests, read_json, read_tests, same_output, same_value
from selfagg.types import Question

_MOST_CALLS = 10_000
_PAUSES_S = (0.5, 2.0, 8.0)
"""Pauses before a sandbox that did not start is tried again: the machine may be out of processes for a moment."""

_CHECK_LIMITS = Limits(seconds=10)  # of a benchmark's own test
_LIMITS = Limits()


class CodeScorer:
    """A scorer of programs. As many run at a time as there are processors.

    Args:
        sandbox: None: the one that `choose_sandbox` finds when the first program is scored.
        limits: The limits of each run of a program: 6 s a test by default, as in LiveCodeBench's own harness.
    """

    def __init__(self, sandbox: Sandbox | None = None, limits: Limits = _LIMITS) -> None:
        self.sandbox = sandbox
        self._limits = limits

    def answer(self, question: Question, text: str) -> str | None:
        function = question.data.get("function")
        return program(text, function if isinstance(function, str) else None)

    async def score(self, question: Question, text: str) -> Verdict:
        """Return 1.0 if the program passes all tests, else 0.0 and a note of the first that it fails.

        A question of one's own has no tests: no program of it runs. A sandbox that does not start is tried a few times.

        Raises:
            UsageError: No sandbox works here, or the question's tests are broken.
            SandboxFailedError: The sandbox stopped working; nothing was found out about the program.
        """
        code = self.answer(question, text)
        if not question.data:
            return Verdict(code)
        if self.sandbox is None:
            self.sandbox = await asyncio.to_thread(choose_sandbox)
        if code is None:
            return Verdict(None, 0.0)
        pauses = iter(_PAUSES_S)
        while True:
            try:
                async with cpu_seat() as cpu:
                    # Here and not before the seat: tests may be large, and many programs wait.
                    tests = await asyncio.to_thread(read_tests, question.data)
                    failure = await self._failure(tests, code, self.sandbox, cpu)
                return Verdict(code, 1.0) if failure is None else Verdict(code, 0.0, failure)
            except SandboxFailedError as error:
                pause_s = next(pauses, None)
                if pause_s is None:
                    why = await asyncio.to_thread(self.sandbox.trouble)
                    raise SandboxFailedError(
                        f"question {question.id}: a program could not be scored, tried {len(_PAUSES_S) + 1} times: "
                        f"{why or error}; mend the sandbox and give the same command again to go on"
                    ) from error
                await asyncio.sleep(pause_s)

    async def same(self, question: Question, answers: Sequence[str]) -> list[int]:
        """Group programs whose text is the same but for blank lines and space at the ends of lines."""
        return first_equal(["\n".join(line.rstrip() for line in code.splitlines() if line.strip()) for code in answers])

    async def _failure(self, tests: Tests, code: str, sandbox: Sandbox, cpu: int) -> str | None:
        """Return why a program does not pass, or None if it does."""
        limits = self._limits if tests.seconds is None else replace(self._limits, seconds=tests.seconds)
        if isinstance(tests, Check):
            whole = completed(tests.prompt, code, tests.function)
            async with load_program(sandbox, whole, limits, cpu=cpu) as loaded:
                return await _failed_check(loaded, tests, sandbox, cpu)
        async with load_program(sandbox, textwrap.dedent(code), limits, contest=True, cpu=cpu) as loaded:
            for number, case in enumerate(tests.cases, start=1):
                failure = await _case_failure(loaded, tests.function, case)
                if failure is not None:
                    return f"test {number} of {len(tests.cases)}: {failure}"
        return None


async def _case_failure(program: Program, function: str | None, case: Case) -> str | None:
    if function is None:
        outcome = await program.run(case.input)
        result, same = outcome.output, same_output
    else:
        outcome = await program.call(function, await in_thread_if_large(_arguments, case.input, size=len(case.input)))
        result, same = outcome.value, same_value
    if outcome.failure is not None:
        return outcome.failure
    right = await in_thread_if_large(same, result, case.output, size=len(result))
    return None if right else "wrong answer"


def _arguments(lines: str) -> Any:
    try:
        return [encode(read_json(line)) for line in lines.split("\n")]
    except (ValueError, RecursionError) as error:
        raise UsageError(f"a test's input is not one JSON value a line ({error})") from error


async def _failed_check(program: Program, check: Check, sandbox: Sandbox, cpu: int) -> str | None:
    """Run ``check(candidate)`` in a sandbox of its own, and carry its calls over to the program's."""
    async with open_session(sandbox, "checker", _CHECK_LIMITS, cpu) as checker:
        calls = 0
        try:
            await checker.start({"prompt": check.prompt, "test": check.test, "function": check.function})
            while "failure" not in (message := await checker.receive(_CHECK_LIMITS.longest_seconds)):
                calls += 1
                if calls > _MOST_CALLS:
                    return f"the test made more than {_MOST_CALLS} calls"
                outcome = await program.call(check.function, message["args"], message["kwargs"])
                await checker.send({"value": outcome.value, "error": outcome.failure})
        except SessionLost as lost:
            if not calls:  # the program had no part in it
                raise SandboxFailedError(f"the test was not begun: {lost}") from lost
            return f"the test was not finished: {lost}"
    failure: str | None = message["failure"]
    if failure is not None and not calls:
        raise UsageError(f"a programming problem's test fails before it calls the function ({failure})")
    return failure


def use_sandbox(name: str | None) -> Sandbox:
    """Choose the sandbox of this process's programs by its name, as `choose_sandbox` does, before one is scored."""
    sandbox = cast(CodeScorer, scorer_for("code")).sandbox = choose_sandbox(name)
    return sandbox


def find_sandbox() -> None:
    """Find a sandbox before any token is paid for, where none is in use yet; raise UsageError if none works here."""
    if cast(CodeScorer, scorer_for("code")).sandbox is None:
        use_sandbox(None)
