"""Finds where programs that a model wrote can run, before any token is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from selfagg.cli.options import CodeOptions
from selfagg.types import Question

if TYPE_CHECKING:
    from rich.console import Console


def prepare_code(options: CodeOptions, questions: Sequence[Question], console: Console) -> None:
    """Sets up the sandbox if any question asks for a program; says so where there is no protection.

    Raises:
        UsageError: No sandbox works here, and the user has not said that code may run unprotected.
    """
    from selfagg.errors import UsageError

    if options.sandbox is not None and options.unprotected:
        raise UsageError(f"--sandbox {options.sandbox} and --unsafe-run-code-unprotected exclude each other")
    if not any(question.kind == "code" for question in questions):
        return
    from selfagg.cli.terminal import say
    from selfagg.sandbox import choose_sandbox
    from selfagg.scoring import scorer_for
    from selfagg.scoring.code import CodeScorer

    scorer = scorer_for("code")
    assert isinstance(scorer, CodeScorer)  # noqa: S101 - the table of scorers says so
    scorer.sandbox = choose_sandbox("unprotected" if options.unprotected else options.sandbox)
    if options.unprotected:
        say("WARNING: programs that the model writes run unprotected, with all your rights", console)
