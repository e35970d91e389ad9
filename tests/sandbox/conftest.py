"""What programs that attack a sandbox may use up, and many of them in one session."""

from __future__ import annotations

import textwrap
from collections.abc import Awaitable, Callable, Mapping

import pytest

from selfagg.sandbox import Limits, ProgramResult, Sandbox, load_program

Attack = Callable[..., Awaitable[dict[str, ProgramResult]]]


@pytest.fixture
def limits() -> Limits:
    """Tight, so that programs that run into them do so soon: 0.5 s of processor time, 15 s by the clock."""
    return Limits(seconds=0.5, memory=256 << 20, disk=32 << 20, output=1 << 20, threads=24, files=64)


@pytest.fixture
def attack(sandbox: Sandbox) -> Attack:
    """Runs programs in one session, each in a process of its own; after each a program that behaves must find all well.

    Gives the results by name. ``form`` is what is done with the source of each, which stands at ``{attack}``.
    """

    async def run(programs: Mapping[str, str], limits: Limits, form: str = "{attack}") -> dict[str, ProgramResult]:
        sources = {name: textwrap.dedent(form).replace("{attack}", code) for name, code in programs.items()}
        code = f"name = input()\nif name: exec({sources!r}[name], globals())\nelse: print('fine')"
        results = {}
        async with load_program(sandbox, code, limits) as program:
            for name in programs:
                results[name] = await program.run(name)
                assert await program.run("\n") == ProgramResult("fine\n"), f"after {name}"
        return results

    return run
