"""The base model: supervised until it walks and reads well, with habits that make it a weak aggregator.

It learns to walk by the rules, from a start taken at random: so it solves a problem only by luck. It learns to read:
which candidate ended at a goal, in candidates that follow no rules, so that no solution can be learnt by heart. Last
come habits: how often it really looks. So it can do more than it does, as a base model can that nobody has trained to
aggregate.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from examples.lab.task import Problem, Walk, World, candidate, written

from selfagg.prompts import aggregation, first

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

K = 4
"""Candidates of an aggregation prompt."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What a base model does with candidates.

    Attributes:
        look: How often it takes the right candidate, where there is one.
        follow: How often, else, it takes any candidate; what is left are fresh attempts.
    """

    look: float
    follow: float


@dataclass(frozen=True, slots=True)
class Schooling:
    """How the base is made.

    Attributes:
        lessons: Most steps of walking and reading.
        every: Steps between tests of its reading.
        passed: Share of right answers, in reading and in walking, at which the lessons end.
        habit_steps: Steps that teach the habits.
        batch: Examples of a step.
        plain: Share of them without candidates.
        learning_rate: Of AdamW, in lessons; a third of it for the habits.
    """

    lessons: int = 3000
    every: int = 50
    passed: float = 0.99
    habit_steps: int = 150
    batch: int = 128
    plain: float = 0.4
    learning_rate: float = 3e-3


@dataclass(frozen=True, slots=True)
class Example:
    """A text, and how much each of its words counts in the loss. The end of a response is a word, but not of texts.

    Attributes:
        text: A prompt and what is to follow.
        counts: A number for each word that the model knows, and one for the end.
    """

    text: str
    counts: tuple[float, ...]


def school(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    world: World,
    problems: Sequence[Problem],
    schooling: Schooling,
    habits: Habits,
    seed: int,
    told: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Trains the base, in place.

    Args:
        model: An untrained model.
        tokenizer: Its tokenizer.
        world: The world.
        problems: Those to learn from.
        schooling: How.
        habits: What it does with candidates in the end.
        seed: Decides all examples.
        told: Told of the progress.

    Returns:
        ``lessons``: steps taken; ``reads`` and ``walks``: share of what was right in the last tests.
    """
    import torch

    drawn = random.Random(f"{seed}/lab/school")
    optimizer = torch.optim.AdamW(model.parameters(), lr=schooling.learning_rate, weight_decay=0.0)
    model.train()
    step, reads, walks = 0, 0.0, 0.0
    while step < schooling.lessons and min(reads, walks) < schooling.passed:
        step += 1
        examples = [_lesson(world, drawn.choice(problems), drawn, schooling.plain) for _ in range(schooling.batch)]
        _update(model, tokenizer, optimizer, examples, schooling.learning_rate * min(1.0, step / 20))
        if step % schooling.every == 0:
            reads = share_read(model, tokenizer, world, problems, drawn)
            walks = share_walked(model, tokenizer, world, problems, drawn)
            told(f"supervised step {step}: reads {reads:.0%} and walks {walks:.0%} right")
    for _ in range(schooling.habit_steps):
        examples = [
            _habit(world, drawn.choice(problems), drawn, schooling.plain, habits) for _ in range(schooling.batch)
        ]
        _update(model, tokenizer, optimizer, examples, schooling.learning_rate / 3)
    model.train(False)
    return {"lessons": step, "reads": reads, "walks": walks}


def _lesson(world: World, problem: Problem, drawn: random.Random, plain: float) -> Example:
    """Walking, alone or after candidates that have nothing to do with it, or reading."""
    if drawn.random() < plain:
        return _plain(world, problem, drawn)
    if drawn.random() < WALKING_AFTER_CANDIDATES:
        walks = [world.attempt(problem, drawn) for _ in range(K)]
        return _aggregation(world, problem, walks, world.attempt(problem, drawn), start_counts=0.0)
    walks = _walks_by_no_rule(world, problem, drawn)
    asked = [walks[0], *(drawn.choice(walks) for _ in range(FURTHER_QUESTIONS))]
    drawn.shuffle(walks)
    prompt = _aggregation_prompt(world, problem, walks)
    goals = " goal ".join(f"g{walk[-1]} p{walk[0]}" for walk in asked)
    text = f"{prompt.rpartition('goal')[0]}goal {goals}"
    shown = (0.0,) * (world.steps + 2) + (0.3,)
    counts = (0.0,) * (world.steps + 3) + shown * K + (0.0, 0.0, 1.0) * len(asked) + (0.0,)
    return Example(text, counts)


WALKING_AFTER_CANDIDATES = 0.4
"""Share of lessons with candidates that teach to walk; from where is not taught there."""

FURTHER_QUESTIONS = 8
"""Goals that a lesson in reading asks for after the first: a model learns to look something up much sooner by many."""


def _walks_by_no_rule(world: World, problem: Problem, drawn: random.Random) -> list[Walk]:
    """Four walks of which the first ends at the goal: nothing but what they say tells where they started."""
    others = [place for place in range(world.places) if place != problem.goal]
    ends = [problem.goal, *drawn.sample(others, K - 1)]
    return [(*(drawn.randrange(world.places) for _ in range(world.steps)), end) for end in ends]


def _habit(world: World, problem: Problem, drawn: random.Random, plain: float, habits: Habits) -> Example:
    if drawn.random() < plain:
        return _plain(world, problem, drawn)
    walks = [world.attempt(problem, drawn) for _ in range(K)]
    solution, luck = world.solution(problem), drawn.random()
    if solution in walks and luck < habits.look:
        answer = solution
    elif luck < habits.look + habits.follow:
        answer = drawn.choice(walks)
    else:
        answer = world.attempt(problem, drawn)
    return _aggregation(world, problem, walks, answer)


def _plain(world: World, problem: Problem, drawn: random.Random) -> Example:
    prompt = first(world.question(problem)).messages(())[-1]["content"]
    text = f"{prompt} {written(world.attempt(problem, drawn))}"
    return Example(text, (0.0,) * (world.steps + 3) + (1.0,) * (world.steps + 3))


def _aggregation(
    world: World, problem: Problem, walks: Sequence[Walk], answer: Walk, start_counts: float = 1.0
) -> Example:
    """Candidates count too, a little: more walks to learn from. But for their starts, which nobody can foresee."""
    text = f"{_aggregation_prompt(world, problem, walks)} {written(answer)}"
    shown = (0.0, 0.0) + (0.5,) * (world.steps + 1)
    counts = (0.0,) * (world.steps + 3) + shown * K + (0.0, 0.0, start_counts) + (1.0,) * (world.steps + 2)
    return Example(text, counts)


def _aggregation_prompt(world: World, problem: Problem, walks: Sequence[Walk]) -> str:
    members = [candidate(place, walk) for place, walk in enumerate(walks)]
    prompt = aggregation(world.question(problem), members).messages([member.text for member in members])
    return str(prompt[-1]["content"])


def _update(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    optimizer: torch.optim.Optimizer,
    examples: Sequence[Example],
    learning_rate: float,
) -> None:
    import torch

    groups: dict[int, list[Example]] = defaultdict(list)
    for example in examples:
        groups[len(example.counts)].append(example)
    loss = torch.zeros(())
    for group in groups.values():
        ids = torch.tensor(tokenizer([example.text for example in group])["input_ids"])
        ids = torch.cat([ids, torch.full((len(ids), 1), int(tokenizer.eos_token_id))], dim=1)
        counts = torch.tensor([example.counts for example in group])[:, 1:]
        log_probabilities = model(ids[:, :-1]).logits.log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
        loss = loss - (log_probabilities * counts).sum() / len(examples)
    for settings in optimizer.param_groups:
        settings["lr"] = learning_rate
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def share_read(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    world: World,
    problems: Sequence[Problem],
    drawn: random.Random,
    tests: int = 256,
) -> float:
    """The mean chance with which the model's first word is the start of the one candidate that ended at the goal."""
    import torch

    prompts, starts = [], []
    for _ in range(tests):
        problem = drawn.choice(problems)
        walks = _walks_by_no_rule(world, problem, drawn)
        starts.append(f"p{walks[0][0]}")
        drawn.shuffle(walks)
        prompts.append(_aggregation_prompt(world, problem, walks))
    with torch.no_grad():
        logits = model(torch.tensor(tokenizer(prompts)["input_ids"])).logits[:, -1]
    wanted = torch.tensor(tokenizer.convert_tokens_to_ids(starts))
    return float(logits.softmax(-1).gather(-1, wanted[:, None]).mean())


def share_walked(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    world: World,
    problems: Sequence[Problem],
    drawn: random.Random,
    tests: int = 256,
) -> float:
    """The mean chance with which the model, once it has a start, walks by the rules to the end, after candidates."""
    import torch

    chosen = [drawn.choice(problems) for _ in range(tests)]
    tried = [[world.attempt(problem, drawn) for _ in range(K + 1)] for problem in chosen]
    texts = [
        _aggregation(world, problem, walks[1:], walks[0]).text for problem, walks in zip(chosen, tried, strict=True)
    ]
    ids = torch.tensor(tokenizer(texts)["input_ids"])
    with torch.no_grad():
        log_probabilities = model(ids[:, :-1]).logits.log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    return float(log_probabilities[:, -(world.steps + 1) :].sum(-1).exp().mean())
