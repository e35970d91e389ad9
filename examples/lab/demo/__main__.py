"""``python -m examples.lab.demo``: RSA, voting and self-refinement at equal calls, live, with the lab's tiny model."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer
from examples.lab.demo.lineage import goals_right, told
from examples.lab.demo.tiny_llama import TinyLlama
from examples.lab.supervised import K
from examples.lab.task import World

import selfagg
from selfagg.cli import run_app
from selfagg.cli.tables import comparison_table
from selfagg.evaluation.analyze import Analysis
from selfagg.evaluation.record_files import records_of
from selfagg.run.subsets import address_random
from selfagg.terminal import print_result

WEIGHTS = Path(__file__).with_name("seed-31.npz")
WORLD_SEED, HELD_OUT = 31, 100
"""The world and the split of the lab's run that made the weights."""
RSA = selfagg.RSA(n=16, k=K, t=4)
SAMPLING = selfagg.Sampling(max_tokens=World().length + 1)
FOUR_TIMES = "".join(f"[Candidate {number}]\n{{candidate}}\n\n" for number in range(1, K + 1))
WORDING = selfagg.Wording("lab", refine=f"{{problem}}\n\n{FOUR_TIMES}{{reminder}}")
"""The model has only seen prompts with four candidates, so self-refinement shows its one candidate four times."""
REJECTION = "Rejection sampling is left out: the model has no words for True and False. The line above bounds it."

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def questions(size: int, seed: int) -> list[selfagg.Question]:
    """Draw problems of the lab's test split: the model's training, supervised and RL, has seen none of them."""
    world = World(seed=WORLD_SEED)
    held_out = world.problems(HELD_OUT, held_out=True)
    drawn = address_random(seed, "lab", "demo").sample(held_out, size)
    return [world.question(problem) for problem in drawn]


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="A new folder: records, report.html, demo.png.")] = Path("runs/demo"),
    size: Annotated[int, typer.Option(min=1, max=HELD_OUT, help="Problems, of 100 never trained on.")] = 40,
    seed: Annotated[int, typer.Option(help="Decides problems and samples.")] = 0,
) -> None:
    """Set RSA against a majority vote and self-refinement at equal calls, with a model that learnt to aggregate."""
    compared = selfagg.compare(
        questions(size, seed),
        [RSA, "majority", "self-refine"],
        model=TinyLlama(WEIGHTS),
        sampling=SAMPLING,
        wording=WORDING,
        seed=seed,
        out=out,
    )
    typer.echo(f"{size} problems of the lab's world, none of them trained on; the model: examples/lab/demo/README.md")
    print_result({**compared.to_dict(), "match": "calls", "where": str(out)}, comparison_table, as_json=False)
    found = {path.name.partition("-")[0]: selfagg.analyze(path) for path in records_of(out)}
    typer.echo("\n".join(["", *populations(found["rsa"]), bound(found["majority"]), REJECTION, ""]))
    typer.echo(told(found["rsa"].evaluation.questions))
    selfagg.plot(out, out / "demo.png")
    typer.echo(f"\npicture {out / 'demo.png'}, report {selfagg.report(out, out / 'report.html')}")


def populations(rsa: Analysis) -> list[str]:
    """Return accuracy by population, of answers and of single goals, and r_c, a line each."""
    found, asked = rsa.to_dict(), rsa.evaluation.questions
    goals = [
        fmean(
            right
            for question in asked
            for member in question.populations[t].values()
            for right in goals_right(question, member)
        )
        for t in range(len(found["populations"]))
    ]
    accuracies = " -> ".join(_percent(population["accuracy"]) for population in found["populations"])
    rates = ", ".join(f"r_{rate['c']} {_percent(rate['share'])}" for rate in found["r_c"])
    return [
        f"RSA's accuracy by population: {accuracies}",
        f"Single goals right: {' -> '.join(map(_percent, goals))}",
        f"r_c, how often an aggregation with c of {K} candidates right is right: {rates}",
    ]


def bound(majority: Analysis) -> str:
    """Return what a perfect choice among as many samples could reach."""
    sampled = [question.populations[0].values() for question in majority.evaluation.questions]
    solved = sum(any(member.right for member in members) for members in sampled)
    n = max(map(len, sampled))
    return (
        f"pass@{n}: {solved} of {len(sampled)} problems have a right answer among {n} samples: the bound of every "
        "vote, judge\nand best-of-N. RSA is not bound by it: it takes each goal from another candidate."
    )


def _percent(share: Any) -> str:
    return "-" if share is None else f"{share:.0%}"


if __name__ == "__main__":
    run_app(app)
