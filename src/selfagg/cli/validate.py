"""``selfagg validate``: does the scoring find a benchmark's own gold answers right."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selfagg.cli.options import CodeOptions, Json, QuestionOptions, spread
from selfagg.cli.terminal import one_line, results, say

if TYPE_CHECKING:
    from selfagg.benchmarks.validate import Validation
    from selfagg.types import Question


@spread
def validate(
    source: Annotated[str, typer.Argument(help="A benchmark, reasoning_gym:TASK\\[,TASK...], or a file.")],
    questions: QuestionOptions,
    code: CodeOptions,
    as_json: Json = False,
) -> None:
    """Score a benchmark's own gold answers: all must be right.

    Each is stated as it is and in another spelling, as a model might write it.
    Exit code 0 if they are, 1 if one is not or there was nothing to check. Programs run in the sandbox; of problems
    that come with tests but without a solution, the tests are unpacked and counted.
    """
    from rich.console import Console

    from selfagg.benchmarks.validate import validate as validate_questions
    from selfagg.cli.code import prepare_code
    from selfagg.cli.questions import load_source

    asked = load_source(source, questions)
    console = Console(stderr=True)
    if any(question.gold for question in asked.questions):
        prepare_code(code, asked.questions, console)
    with console.status(f"validating {asked.count} ..."):
        found = asyncio.run(validate_questions(asked.questions))
        tests, broken = _unpacked(found.unstated)
    said = _as_json(asked.source, found, tests, broken)
    if as_json:
        typer.echo(json.dumps(said, ensure_ascii=False))
    else:
        _print(said, results())
    if not said["valid"]:
        raise typer.Exit(1)


def _unpacked(unstated: Sequence[Question]) -> tuple[list[int], list[dict[str, Any]]]:
    """How many tests each programming problem without a solution has, and which problems' tests are broken."""
    from selfagg.errors import UsageError
    from selfagg.scoring.code_tests import Cases, read_tests

    counts: list[int] = []
    broken: list[dict[str, Any]] = []
    for question in unstated:
        if question.kind == "code":
            try:
                tests = read_tests(question.data)
            except UsageError as error:
                broken.append({"question": question.id, "score": None, "note": str(error), "response": ""})
            else:
                counts.append(len(tests.cases) if isinstance(tests, Cases) else 1)
    return counts, broken


def _as_json(source: str, found: Validation, tests: list[int], broken: list[dict[str, Any]]) -> dict[str, Any]:
    failures = [
        {"question": one.question.id, "score": one.score, "note": one.note, "response": one.response}
        for one in found.failures
    ]
    return {
        "source": source,
        "valid": not failures and not broken and bool(found.right or tests),
        "right": found.right,
        "failures": [*failures, *broken],
        "unstated": len(found.unstated),
        "worded": [question.id for question in found.worded],
        "problems_with_tests": len(tests),
        "tests": sum(tests),
    }


def _print(said: dict[str, Any], console: Any) -> None:
    from rich.text import Text

    console.print(Text(said["source"], "bold"))
    checked = said["right"] + len(said["failures"])
    say(f"right      {said['right']:,} of {checked:,} gold answers", console)
    if said["problems_with_tests"]:
        found = f"{said['tests']:,} tests of {said['problems_with_tests']:,} problems"
        say(f"unpacked   {found}; their solutions are not public, so none was run", console)
    unstated = said["unstated"] - said["problems_with_tests"]
    if unstated > 0:
        say(f"unstated   {unstated:,} questions come without a right answer: nothing was checked about them", console)
    if said["worded"]:
        named = ", ".join(said["worded"][:5]) + (", ..." if len(said["worded"]) > 5 else "")
        say(f"words      {len(said['worded']):,} gold answers are words: no others are right ({named})", console)
    for failure in said["failures"]:
        note = failure["note"] or f"scored {failure['score']}"
        say(f"FAILED     {failure['question']}: {one_line(note, 200)}; {one_line(failure['response'], 100)}", console)
    if not said["valid"] and not said["failures"]:
        say("nothing was checked", console)
