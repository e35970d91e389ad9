"""Find a sandbox for programs that a model wrote, before any token is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from selfagg.cli.options import CodeOptions
from selfagg.types import Question

if TYPE_CHECKING:
    from rich.console import Console


def prepare_code(
    options: CodeOptions, questions: Sequence[Question], console: Console, *, elsewhere: bool = False
) -> None:
    """Set up the sandbox if any question asks for a program; say which, and which limits hold in it.

    Args:
        options: The options of the user.
        questions: Of the run.
        console: The console for warnings.
        elsewhere: True if programs run on other machines, which set up their own.

    Raises:
        UsageError: No sandbox works here, and the user has not said that code may run unprotected.
    """
    from selfagg.errors import UsageError

    if options.sandbox is not None and options.unprotected:
        raise UsageError(f"--sandbox {options.sandbox} and --unsafe-run-code-unprotected exclude each other")
    if not any(question.kind == "code" for question in questions):
        return
    from selfagg.scoring.code import use_sandbox
    from selfagg.terminal import say

    if not elsewhere:
        sandbox = use_sandbox("unprotected" if options.unprotected else options.sandbox)
        say(f"programs run in {sandbox.name}: {sandbox.limits}", console)
    if options.unprotected:
        say("WARNING: programs that the model writes run unprotected, with all your rights", console)
