"""How rows travel from wrong candidates into a right answer: ``python -m examples.rows.lineage FOLDER``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

import selfagg
from selfagg.api import Population
from selfagg.evaluation.evaluate import EvaluatedQuestion
from selfagg.evaluation.record_files import records_of

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def lineage(
    folder: Annotated[Path, typer.Argument(help="A folder of records of rows, majority's among them.")],
) -> None:
    """Print the bound of all choosing among samples, and one question's way from wrong candidates to a right answer."""
    found = {path.name.partition("-")[0]: selfagg.analyze(path).evaluation for path in records_of(folder)}
    typer.echo(bound(found["majority"].questions))
    typer.echo(told(found["rsa"].questions))


def bound(questions: Sequence[EvaluatedQuestion]) -> str:
    """Return in words how many questions have a right sample at all."""
    solved = sum(any(member.right for member in question.populations[0].values()) for question in questions)
    most = max(len(question.populations[0]) for question in questions)
    return (
        f"{solved} of {len(questions)} questions have a right answer among {most} samples (pass@{most} "
        f"{solved / len(questions):.0%}): no vote, judge or best-of-n over samples can do better.\n"
    )


def told(questions: Sequence[EvaluatedQuestion]) -> str:
    """Return the lineage of the first question that RSA solved from wrong candidates alone, in words."""
    for question in questions:
        first, last = question.populations[0], question.populations[-1]
        solved = [place for place, member in sorted(last.items()) if member.right]
        if solved and not any(member.right for member in first.values()):
            return _lines(question, solved[0])
    return "No question was wrong in all of its first population and right in its last."


def _lines(question: EvaluatedQuestion, solved: int) -> str:
    gold = _parts(question.question.gold)
    lines = [f"How {question.question.id} was solved; no member of population 1 is right.", *_indented(question)]
    for t, places in enumerate(ancestors(question.populations, solved), 1):
        lines.append(f"population {t}")
        lines += [_line(question.populations[t - 1], place, gold) for place in places]
    return "\n".join(lines)


def _indented(question: EvaluatedQuestion) -> list[str]:
    return [f"  {line}" for line in question.question.text.splitlines()]


def ancestors(populations: Sequence[Population], place: int) -> list[list[int]]:
    """Return, population by population, the places of all members that one of the last descends from; itself last."""
    found = [[place]]
    for population in reversed(populations[1:]):
        found.append(sorted({parent for child in found[-1] for parent in population[child].parents}))
    return found[::-1]


def _line(population: Population, place: int, gold: dict[str, str]) -> str:
    member = population[place]
    given = _parts(member.answer)
    rows = "   ".join(_marked(row, given.get(row, "-"), solution) for row, solution in gold.items())
    made = f"  from {', '.join(f'#{parent + 1}' for parent in member.parents)}" if member.parents else ""
    return f"  #{place + 1:<3} {rows}   {'RIGHT' if member.right else '':5}{made}".rstrip()


def _marked(row: str, expression: str, solution: str) -> str:
    return f"{row} {expression:<5} {'ok' if expression == solution else '..'}"


def _parts(answer: str | None) -> dict[str, str]:
    return dict(part.split() for part in (answer or "").split(", ") if part)


if __name__ == "__main__":
    app()
