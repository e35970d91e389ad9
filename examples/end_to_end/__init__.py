"""End-to-end training: a whole RSA loop is one rollout, rewarded by its last population.

    python -m examples.end_to_end --model FOLDER --data SET --out RUN -n 4 -k 2 -t 2

Aggregation-aware training shows candidates of a frozen model. Here the model aggregates what it has just written
itself, and what it writes first is rewarded for what comes of it.

**Which tokens get the gradient: those of every member.** A loop is a sequence of N * T calls, and the gradient of the
expected number of right members in its last population is the sum, over all members, of the gradient of the member's
log-probability times what depends on it: the rewards of the members of the last population that descend from it (itself
among them, where it is one). The other rewards of the loop do not depend on it and would only add noise. Prompts get no
gradient, also where they show what the model wrote: that was sampled in the member shown.

Each of a question's ``rollouts`` loops has the same sets, so that member (t, i) of one loop has as many descendants as
that of another: they are one group, whose baseline is their mean. To TRL each member of a loop is a prompt of its own,
which it hands over ``rollouts`` times in a row, and which gets its messages here.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from selfagg._internal.blocking import blocking
from selfagg.models.base import Model
from selfagg.models.transformers.checkpoints import load
from selfagg.models.transformers.model import HFModel
from selfagg.prompts import aggregation, first
from selfagg.prompts.fit import fit
from selfagg.prompts.prompt import candidate_format_named
from selfagg.run.subsets import Set, address_seed, draw_sets
from selfagg.training.reward import reply_of
from selfagg.training.rl import RLSettings, train, training_dtype
from selfagg.training.rows import question_of, read_rows
from selfagg.training.trainer import KeptGRPO
from selfagg.types import Member, Message, Question, Reply

Place = tuple[int, int, int, int]
"""Question (from 0), loop, population (from 1), member."""


@dataclass(frozen=True, slots=True)
class Written:
    """One call of a loop: the reply, and the tokens of prompt and response.

    Attributes:
        logprobs: Of the response's tokens, where the sampler gives them.
        parents: Members of the population before that the prompt shows.
    """

    reply: Reply
    prompt_ids: list[int]
    completion_ids: list[int]
    logprobs: list[float] | None = None
    parents: Set = ()


Write = Callable[[list[tuple[Message, ...]]], list[Written]]
"""Samples a response to each conversation."""


@dataclass(frozen=True, slots=True)
class Loops:
    """The loops of one step: ``loops`` for each question, all on the same sets.

    Attributes:
        questions: The step's questions.
        n: Members of a population.
        k: Candidates of a set.
        t: Populations.
        loops: Loops for each question.
        seed: Decides the sets; another one at each step.
    """

    questions: tuple[Question, ...]
    n: int
    k: int
    t: int
    loops: int
    seed: int

    def places(self) -> list[Place]:
        """The rows of the step in TRL's order: a question's members, each in all of its loops."""
        return [
            (question, loop, t, i)
            for question in range(len(self.questions))
            for t in range(1, self.t + 1)
            for i in range(self.n)
            for loop in range(self.loops)
        ]

    def sets(self, question: int) -> dict[int, list[Set]]:
        """The sets of each population from the second on."""
        id_ = self.questions[question].id
        return {t: draw_sets(self.seed, id_, t, n=self.n, k=self.k) for t in range(2, self.t + 1)}

    def run(self, write: Write, model: Model, max_tokens: int) -> dict[Place, Written]:
        """Runs all loops together, population by population.

        Args:
            write: Samples.
            model: Counts tokens, and knows its context.
            max_tokens: Most tokens of a response.
        """
        done: dict[Place, Written] = {}
        sets = [self.sets(question) for question in range(len(self.questions))]
        for t in range(1, self.t + 1):
            here = [place for place in self.places() if place[2] == t]
            parents: list[Set] = [sets[question][t][i] if t > 1 else () for question, _, _, i in here]
            shown = [
                [Member(t - 1, parent, reply=done[question, loop, t - 1, parent].reply) for parent in chosen]
                for (question, loop, _, _), chosen in zip(here, parents, strict=True)
            ]
            asked = blocking(partial(self._conversations, here, shown, model, max_tokens))
            for place, chosen, written in zip(here, parents, write(asked), strict=True):
                done[place] = replace(written, parents=chosen)
        return done

    async def _conversations(
        self, places: Sequence[Place], shown: Sequence[Sequence[Member]], model: Model, max_tokens: int
    ) -> list[tuple[Message, ...]]:
        view, conversations = candidate_format_named("response"), []
        for (question, *_), candidates in zip(places, shown, strict=True):
            asked = self.questions[question]
            prompt = aggregation(asked, candidates) if candidates else first(asked)
            conversations.append((await fit(prompt, view, model, max_tokens, model.context)).messages)
        return conversations

    def credits(self, rewards: Sequence[float | None]) -> list[float | None]:
        """What each member is worth: the rewards, summed, of its descendants in the last population.

        None where one of those could not be scored, 0 where nothing descends from it.

        Args:
            rewards: Of each member alone, in the order of `places`.
        """
        places = self.places()
        own = dict(zip(places, rewards, strict=True))
        descendants = [descended(self.sets(question), self.n, self.t) for question in range(len(self.questions))]
        worth: list[float | None] = []
        for question, loop, t, i in places:
            following = [own[question, loop, self.t, last] for last in descendants[question][t, i]]
            worth.append(None if None in following else sum(reward for reward in following if reward is not None))
        return worth


def descended(sets: dict[int, list[Set]], n: int, t: int) -> dict[tuple[int, int], frozenset[int]]:
    """Which members of the last population ``t`` descend from each member, by (population, place)."""
    result = {(t, i): frozenset([i]) for i in range(n)}
    for earlier in range(t - 1, 0, -1):
        for i in range(n):
            children = [j for j, parents in enumerate(sets[earlier + 1]) if i in parents]
            result[earlier, i] = frozenset().union(*(result[earlier + 1, j] for j in children))
    return result


def step_seed(seed: int, step: int) -> int:
    """The sets' seed of one step."""
    return address_seed(seed, "end to end", step)


class LoopGRPO(KeptGRPO):
    """GRPO whose rollouts are loops of N, K, T."""

    def __init__(self, *, settings: RLSettings, n: int, k: int, t: int, **kept: Any) -> None:
        """Make one as `KeptGRPO` is made; the data set has each place N * T times in a row."""
        self._settings = settings
        self._sizes = n, k, t
        self._written: dict[Place, Written] = {}
        super().__init__(rollout_func=self._rollout, **kept)

    def _rollout(self, prompts: Sequence[Any], trainer: Any) -> dict[str, Any]:
        """TRL's rollout function: a prompt for each member of each loop."""
        asked = self._settings
        n, k, t = self._sizes
        block = n * t * asked.rollouts
        questions = tuple(question_of(row) for row in self._sampled_rows[::block])
        seed = step_seed(asked.seed, self.state.global_step + 1)
        self._loops = Loops(questions, n, k, t, asked.rollouts, seed)
        counter = HFModel(self.accelerator.unwrap_model(self.model), self._tokenizer)
        self._written = self._loops.run(self._write, counter, asked.max_tokens)
        ordered = [self._written[place] for place in self._loops.places()]
        logprobs = [written.logprobs for written in ordered]
        return {
            "prompt_ids": [written.prompt_ids for written in ordered],
            "completion_ids": [written.completion_ids for written in ordered],
            "logprobs": None if None in logprobs else logprobs,
        }

    def _write(self, conversations: list[tuple[Message, ...]]) -> list[Written]:
        prompt_ids: list[list[int]] = self._tokenize_prompts([[*map(dict, asked)] for asked in conversations])[0]
        ids, logprobs = self._generate_single_turn(prompt_ids, None, {}, 1)
        texts: list[str] = self._tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [
            Written(reply_of(text, cut=written[-1] not in self._ends), asked, written, probabilities)
            for text, asked, written, probabilities in zip(
                texts, prompt_ids, ids, logprobs or [None] * len(ids), strict=True
            )
        ]

    def _credited(self, rewards: list[float | None]) -> list[float | None]:
        places = self._loops.places()
        own = dict(zip(places, rewards, strict=True))
        for rollout, (question, loop, t, i) in zip(self._rollouts, places, strict=True):
            rollout.t, rollout.i, rollout.aggregation = t, i, t > 1
            if t > 1:
                parents = self._written[question, loop, t, i].parents
                rollout.k = len(parents)
                rollout.c = sum((own[question, loop, t - 1, parent] or 0) >= 1 for parent in parents)
        return self._loops.credits(rewards)


def loop_settings(n: int, t: int, **settings: Any) -> RLSettings:
    """Return settings whose prompts are members of a loop: N * T groups for each."""
    return RLSettings(algorithm="grpo", repeats=n * t, **settings)


def loop_trainer(settings: RLSettings, n: int, k: int, t: int) -> Callable[..., LoopGRPO]:
    """Return what makes the trainer, for `selfagg.training.rl.train`.

    Raises:
        ValueError: There is no such loop.
    """
    if not (1 <= k <= n and t >= 2):
        raise ValueError(f"a loop with N, K, T = {n}, {k}, {t}, but it takes 1 <= K <= N and T >= 2")
    return partial(LoopGRPO, settings=settings, n=n, k=k, t=t)


def main() -> None:
    """Train a model on the plain prompts of a set."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name, kind in (("--model", str), ("--data", Path), ("--out", Path)):
        parser.add_argument(name, type=kind, required=True)
    for name, size in (("-n", 4), ("-k", 2), ("-t", 2), ("--steps", 300), ("--prompts", 32), ("--max-tokens", 8192)):
        parser.add_argument(name, type=int, default=size)
    asked = parser.parse_args()
    settings = loop_settings(asked.n, asked.t, steps=asked.steps, prompts=asked.prompts, max_tokens=asked.max_tokens)
    checkpoint = load(asked.model, dtype=training_dtype(settings))
    rows = [row for row in read_rows(asked.data) if not row.aggregation]  # candidates come from the loop
    trainer = loop_trainer(settings, asked.n, asked.k, asked.t)
    train(checkpoint.model, checkpoint.tokenizer, rows, settings, asked.out, trainer=trainer, callback=print)
