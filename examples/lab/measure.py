"""What is measured of a model of the lab: runs of the engine, and how it reads candidates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from examples.lab.supervised import K, prompt
from examples.lab.task import Problem, Walk, World, share_right

from selfagg.analysis.aggregation import aggregations
from selfagg.analysis.statistics import interval, mean
from selfagg.analysis.summary import summarise
from selfagg.analysis.trajectory import trajectory
from selfagg.errors import SelfaggError
from selfagg.evaluation.runs import share_first_samples
from selfagg.methods import RSA, Majority
from selfagg.methods.base import Method
from selfagg.models.transformers.model import HFModel
from selfagg.record.configuration import configuration
from selfagg.record.record import Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.run.subsets import address_random
from selfagg.types import Question, Sampling

if TYPE_CHECKING:
    from selfagg.models.transformers.checkpoints import Checkpoint

AT_ONCE = 1024
"""Calls at once: what suits a model of a tenth of a million weights."""

TESTS = 100
"""Prompts for each number of right candidates."""


def sampling(world: World) -> Sampling:
    """A response and its end."""
    return Sampling(max_tokens=world.length + 1)


async def run_rsa(
    checkpoint: Checkpoint, questions: Sequence[Question], settings: Settings, method: RSA, path: Path
) -> dict[str, Any]:
    """RSA through the engine, into a record; what that holds already is not sampled again.

    Returns:
        ``accuracy``, ``intervals``, ``pass_at_n`` and ``majority`` by population; ``goals``: the share of single goals
        that are right, by population; ``r`` and ``sets`` by right parents; ``predicted``: the accuracies that r_c and
        the first population predict.
    """
    with Record(path) as record:
        await _run(checkpoint, questions, settings, method, record)
        summary, counts, course = summarise(record), aggregations(record), trajectory(record)
        if counts is None or course is None:
            raise SelfaggError(f"nothing in {path} can be judged")
        return {
            "accuracy": [mean(population.accuracy) for population in summary.populations],
            "intervals": [interval(population.accuracy) for population in summary.populations],
            "pass_at_n": [mean(population.pass_at_n) for population in summary.populations],
            "majority": [mean(population.majority) for population in summary.populations],
            "goals": _right_goals(record),
            "r": [mean(rate) for rate in counts.right_by_parents()],
            "sets": counts.tried.sum(axis=(0, 1)).tolist(),
            "predicted": [step.predicted for step in course.steps if step.measured is not None],
        }


def _right_goals(record: Record) -> list[float]:
    found: dict[int, list[float]] = defaultdict(list)
    for position, question in enumerate(record.questions()):
        for member in record.members(position).values():
            found[member.t].append(share_right(member.text, str(question.gold)))
    return [_mean(found[t]) for t in sorted(found)]


async def run_vote(
    checkpoint: Checkpoint,
    questions: Sequence[Question],
    settings: Settings,
    method: Majority,
    path: Path,
    shared: Path,
) -> dict[str, float | None]:
    """A majority vote over as many fresh samples as RSA takes calls.

    Args:
        checkpoint: The model.
        questions: The problems.
        settings: How it is sampled, as in
        shared: the record of RSA, whose first population are the first of these samples.
        method: The vote.
        path: Its record.

    Returns:
        ``vote``: the share of problems that it decides rightly; ``bound``: the share with a right one among all those
        samples, which is as far as any choice among them comes.
    """
    with Record(path) as record:
        with Record(shared, read_only=True) as source:
            record.begin(configuration(method, checkpoint.name, settings, SOURCE), questions)
            share_first_samples(source, record, method)
        await _run(checkpoint, questions, settings, method, record)
        summary = summarise(record)
        return {"vote": mean(summary.answer_accuracy), "bound": mean(summary.populations[0].pass_at_n)}


SOURCE = "lab"


async def _run(
    checkpoint: Checkpoint, questions: Sequence[Question], settings: Settings, method: Method, record: Record
) -> None:
    async with HFModel(checkpoint.model, checkpoint.tokenizer, name=checkpoint.name, concurrency=AT_ONCE) as model:
        record.begin(configuration(method, checkpoint.name, settings, SOURCE), questions)
        await evaluate(Engine(model, settings, record), method, questions)


def read_candidates(checkpoint: Checkpoint, world: World, problems: Sequence[Problem], seed: int) -> dict[str, Any]:
    """How a model reads candidates, from the exact chances of the start that it writes for the first goal.

    The same prompts for every model: c of four candidates are right, the others honest attempts that found no goal.

    Returns:
        ``plain``: the chance of the right start without candidates. ``right``: with c = 0 to 4 right ones.
        ``taken``: of the starts of the candidates shown, together, with c = 0 to 4. ``foreign``: of the right start
        where all four are solutions of other problems, which only look like candidates.
    """
    drawn = address_random(seed, "lab", "reading")
    chosen = [drawn.choice(problems) for _ in range(TESTS)]
    right, taken = [], []
    for c in range(K + 1):
        shown = [_shown(world, problem, c, drawn) for problem in chosen]
        chances = _start_chances(checkpoint, world, chosen, shown)
        right.append(_mean(chances[row][world.solution(problem)[0][0]] for row, problem in enumerate(chosen)))
        taken.append(
            _mean(
                sum(chances[row][s] for s in {w[0] for walks in tried for w in walks})
                for row, tried in enumerate(shown)
            )
        )
    others = [[world.solution(drawn.choice(problems)) for _ in range(K)] for _ in chosen]
    solutions = [world.solution(problem)[0][0] for problem in chosen]
    foreign = _start_chances(checkpoint, world, chosen, others)
    plain = _start_chances(checkpoint, world, chosen, [[] for _ in chosen])
    return {
        "plain": _mean(plain[row][start] for row, start in enumerate(solutions)),
        "right": right,
        "taken": taken,
        "foreign": _mean(foreign[row][start] for row, start in enumerate(solutions)),
    }


def _shown(world: World, problem: Problem, c: int, drawn: Any) -> list[list[Walk]]:
    tried = [world.solution(problem)] * c + [world.failed_attempt(problem, drawn) for _ in range(K - c)]
    drawn.shuffle(tried)
    return tried


def _start_chances(
    checkpoint: Checkpoint, world: World, problems: Sequence[Problem], shown: Sequence[Sequence[Sequence[Walk]]]
) -> list[list[float]]:
    """For each prompt the chance of each place as the start of the walk to the first goal."""
    import torch

    texts = [f"{prompt(world, p, tried)} t{p.goals[0]}" for p, tried in zip(problems, shown, strict=True)]
    places = checkpoint.tokenizer.convert_tokens_to_ids([f"p{place}" for place in range(world.places)])
    with torch.no_grad():
        logits = checkpoint.model(torch.tensor(checkpoint.tokenizer(texts)["input_ids"])).logits[:, -1]
    chances: list[list[float]] = logits.softmax(-1)[:, places].tolist()
    return chances


def _mean(values: Any) -> float:
    known = list(values)
    return float(sum(known) / len(known))
