"""The base model: supervised until it walks and reads well, with habits that make it a weak aggregator.

It learns to walk by the rules, from a start taken at random: so it finds a goal only by luck. It learns to read: where
a walk to a goal started, in candidates that follow no rules, so that no solution can be learnt by heart. Reading comes
first, with one goal a problem: with three at once, or after walking, hundreds of steps did not teach it. Last come
habits: how often it really looks. So it can do more than it does, as a base model can that nobody has trained to
aggregate.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
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
        look: Of each goal, how often it takes a right walk, where a candidate has one.
        follow: How often, else, it takes the walk of any candidate; what is left are fresh attempts.
    """

    look: float
    follow: float


@dataclass(frozen=True, slots=True)
class Schooling:
    """How the base is made.

    Attributes:
        reading: Most steps of reading with one goal.
        every: Steps between tests of it.
        begun: Share of right answers in it at which the other lessons begin.
        lessons: Steps of reading and walking with all goals, in which the learning rate falls to nothing.
        rounds: How often these are given at most.
        passed: Share of right answers, in reading and in walking, that makes a base.
        habit_steps: Steps that teach the habits.
        batch: Examples of a step.
        plain: Share of them without candidates.
        learning_rate: Of AdamW, at first; a third of it for the habits.
    """

    reading: int = 1500
    every: int = 50
    begun: float = 0.9
    lessons: int = 1000
    rounds: int = 3
    passed: float = 0.95
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
        schooling: How.
        habits: What it does with candidates in the end.
        seed: Decides all examples.
        told: Told of the progress.

    Returns:
        ``lessons``: steps taken; ``reads`` and ``walks``: share of what was right in the last tests; ``able``: whether
        both are enough for a base. One that is not able learns no habits.
    """
    import torch

    drawn = random.Random(f"{seed}/lab/school")
    optimizer = torch.optim.AdamW(model.parameters(), lr=schooling.learning_rate, weight_decay=0.0)
    model.train()

    def learn(examples: Iterable[Example], rate: float) -> None:
        _update(model, tokenizer, optimizer, [*examples], rate * schooling.learning_rate)

    batch, steps, one_goal = range(schooling.batch), 0, replace(world, goals=1)
    reads = walks = -1.0
    while steps < schooling.reading and reads < schooling.begun:
        steps += 1
        learn((_reading(one_goal, one_goal.problem(drawn), drawn) for _ in batch), min(1.0, steps / 20))
        if steps % schooling.every == 0:
            reads = share_read(model, tokenizer, one_goal, drawn)
            told(f"lesson {steps}, one goal: reads {reads:.0%} right")
    for _ in range(schooling.rounds):
        for lesson in range(schooling.lessons):
            learn(
                (_lesson(world, world.problem(drawn), drawn, schooling.plain) for _ in batch),
                1 - lesson / schooling.lessons,
            )
        steps += schooling.lessons
        reads, walks = share_read(model, tokenizer, world, drawn), share_walked(model, tokenizer, world, drawn)
        told(f"lesson {steps}, all goals: reads {reads:.0%} and walks {walks:.0%} right")
        if able := min(reads, walks) >= schooling.passed:
            break
    if able:
        for _ in range(schooling.habit_steps):
            learn((_habit(world, world.problem(drawn), drawn, schooling.plain, habits) for _ in batch), 1 / 3)
    model.train(False)
    return {"lessons": steps, "reads": reads, "walks": walks, "able": able}


def _lesson(world: World, problem: Problem, drawn: random.Random, plain: float) -> Example:
    """Walking, alone or after candidates that have nothing to do with it, or reading."""
    if drawn.random() < plain:
        return _answering(world, problem, [], world.attempt(problem, drawn))
    if drawn.random() < WALKING_AFTER_CANDIDATES:
        shown = [world.attempt(problem, drawn) for _ in range(K)]
        return _answering(world, problem, shown, world.attempt(problem, drawn), start=0.0)
    return _reading(world, problem, drawn)


def _reading(world: World, problem: Problem, drawn: random.Random) -> Example:
    """Candidates, then goals and where the walks to them started."""
    shown = _walks_by_no_rule(world, problem, drawn)
    starts = {walk[-1]: walk[0] for walks in shown for walk in walks}
    asked = [goal for goal in problem.goals if goal in starts] + drawn.choices([*starts], k=FURTHER_QUESTIONS)
    text = f"{prompt(world, problem, shown)} {' '.join(f't{goal} p{starts[goal]}' for goal in asked)}"
    counts = _prompt_counts(world, problem, shown, _word_counts(world, problem, 0.0, 0.0, 0.3))
    return Example(text, counts + (0.0, 1.0) * len(asked) + (0.0,))


WALKING_AFTER_CANDIDATES = 0.4
"""Share of lessons with candidates that teach to walk; from where is not taught there."""

FURTHER_QUESTIONS = 8
"""Goals that a lesson in reading asks for after its own: a model learns to look something up much sooner by many."""


def _walks_by_no_rule(world: World, problem: Problem, drawn: random.Random) -> list[list[Walk]]:
    """Candidates of walks that follow no rules: nothing but what they say tells where one to an end started."""
    start_of = drawn.sample(range(world.places), world.places)

    def walk() -> Walk:
        end = drawn.randrange(world.places)
        return (start_of[end], *(drawn.randrange(world.places) for _ in range(world.steps - 1)), end)

    return [[walk() for _ in problem.goals] for _ in range(K)]


def _habit(world: World, problem: Problem, drawn: random.Random, plain: float, habits: Habits) -> Example:
    """An attempt, alone or after candidates; then the habits decide of each goal."""
    answer = world.attempt(problem, drawn)
    if drawn.random() < plain:
        return _answering(world, problem, [], answer)
    shown = [world.attempt(problem, drawn) for _ in range(K)]
    walks = [walk for attempt in shown for walk in attempt]
    for place, solution in enumerate(world.solution(problem)):
        luck = drawn.random()
        if solution in walks and luck < habits.look:
            answer[place] = solution
        elif luck < habits.look + habits.follow:
            answer[place] = drawn.choice(shown)[place]
    return _answering(world, problem, shown, answer)


def _answering(
    world: World, problem: Problem, shown: Sequence[Sequence[Walk]], answer: Sequence[Walk], start: float = 1.0
) -> Example:
    """Candidates count too, a little: more walks to learn from. But for their starts, which nobody can foresee."""
    text = f"{prompt(world, problem, shown)} {written(problem, answer)}"
    counts = _prompt_counts(world, problem, shown, _word_counts(world, problem, 0.0, 0.5, 0.5))
    return Example(text, counts + _word_counts(world, problem, start, 1.0, 1.0) + (1.0,))


def _word_counts(world: World, problem: Problem, start: float, step: float, again: float) -> tuple[float, ...]:
    """How much the words of a response count; that of a goal as those of steps."""
    return (step, start, *(step,) * world.steps, again) * len(problem.goals)


def _prompt_counts(
    world: World, problem: Problem, shown: Sequence[Any], candidate: tuple[float, ...]
) -> tuple[float, ...]:
    goals = (0.0,) * (1 + len(problem.goals))
    return (0.0,) * (1 + world.steps) + goals + ((0.0, *candidate) * len(shown) + goals if shown else ())


def prompt(world: World, problem: Problem, shown: Sequence[Sequence[Walk]]) -> str:
    """The prompt for a problem, plain or with candidates."""
    question = world.question(problem)
    members = [candidate(place, problem, walks) for place, walks in enumerate(shown)]
    asked = aggregation(question, members) if members else first(question)
    return str(asked.messages([member.text for member in members])[-1]["content"])


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
    drawn: random.Random,
    tests: int = 128,
) -> float:
    """The mean chance, over goals that a candidate ended at, of the start of that walk."""
    texts, wanted = [], []
    for _ in range(tests):
        problem = world.problem(drawn)
        shown = _walks_by_no_rule(world, problem, drawn)
        ended = {walk[-1]: walk for walks in shown for walk in walks}
        wanted.append([float(goal in ended) for goal in problem.goals])
        texts.append(
            f"{prompt(world, problem, shown)} {written(problem, [ended.get(g, shown[0][0]) for g in problem.goals])}"
        )
    import torch

    starts = word_chances(model, tokenizer, texts)[:, -world.length :][:, 1 :: world.steps + 3]
    counts = torch.tensor(wanted)
    return float((starts * counts).sum() / counts.sum())


def share_walked(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    world: World,
    drawn: random.Random,
    tests: int = 128,
) -> float:
    """The mean chance with which the model, given a start, walks by the rules to the end.

    Tested by rules that were not learnt together, alone and after candidates; the lesser of both.
    """
    found = []
    for candidates in (0, K):
        texts = []
        for _ in range(tests):
            problem = world.problem(drawn, held_out=True)
            answer, *shown = (world.attempt(problem, drawn) for _ in range(candidates + 1))
            texts.append(f"{prompt(world, problem, shown)} {written(problem, answer)}")
        walks = word_chances(model, tokenizer, texts)[:, -world.length :].reshape(tests, world.goals, world.steps + 3)
        found.append(float((walks[:, :, 0] * walks[:, :, 2:].prod(-1)).mean()))
    return min(found)


def word_chances(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> torch.Tensor:
    """The chance of each word but the first, after those before it."""
    import torch

    ids = torch.tensor(tokenizer(list(texts))["input_ids"])
    with torch.no_grad():
        chances: torch.Tensor = model(ids[:, :-1]).logits.softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    return chances
