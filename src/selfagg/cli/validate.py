"""``selfagg validate``: a check that the scoring finds a benchmark's own gold answers right."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import typer

from selfagg.benchmarks.base import Selection
from selfagg.cli.generate import command
from selfagg.cli.options import CodeOptions
from selfagg.terminal import one_line, print_result


@command
def validate(source: str, *, questions: Selection, code: CodeOptions, as_json: bool = False) -> None:
    """Validate a benchmark: score its own gold answers, all of which must be right.

    Each is stated as it is and in another spelling, as a model might write it.
    Exit code 0 if they are, 1 if one is not or there was nothing to check. Programs run in the sandbox; of problems
    that come with tests but without a solution, the tests are unpacked and counted.

    Args:
        source: A benchmark, reasoning_gym:TASK[,TASK...], or a file.
        as_json: Print one JSON object on stdout.
    """
    from rich.console import Console

    from selfagg.benchmarks.given import selected_set
    from selfagg.benchmarks.validate import validate as validate_questions
    from selfagg.cli.code import prepare_code

    asked, console = selected_set(source, questions), Console(stderr=True)
    if any(question.gold for question in asked.questions):
        prepare_code(code, asked.questions, console)
    with console.status(f"validating {asked.count} ..."):
        found = asyncio.run(validate_questions(asked.questions))
    print_result({"source": asked.source, **found.to_dict()}, _told, as_json=as_json)
    if not found.valid:
        raise typer.Exit(1)


def _told(found: Mapping[str, Any]) -> Any:
    from rich.text import Text

    return Text.assemble((found["source"], "bold"), *(f"\n{line}" for line in _lines(found)))


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    checked = found["right"] + len(found["failures"])
    yield f"right      {found['right']:,} of {checked:,} gold answers"
    if found["problems_with_tests"]:
        tests = f"{found['tests']:,} tests of {found['problems_with_tests']:,} problems"
        yield f"unpacked   {tests}; their solutions are not public, so none was run"
    unstated = found["unstated"] - found["problems_with_tests"]
    if unstated > 0:
        yield f"unstated   {unstated:,} questions come without a right answer: nothing was checked about them"
    if found["worded"]:
        named = ", ".join(found["worded"][:5]) + (", ..." if len(found["worded"]) > 5 else "")
        yield f"words      {len(found['worded']):,} gold answers are words: no others are right ({named})"
    for failure in found["failures"]:
        note = failure["note"] or f"scored {failure['score']}"
        yield f"FAILED     {failure['question']}: {one_line(note, 200)}; {one_line(failure['response'], 100)}"
    if not found["valid"] and not found["failures"]:
        yield "nothing was checked"
