"""End-to-end training: a whole RSA loop is one rollout, rewarded by its last population.

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

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from selfagg.models.base import Model
from selfagg.prompts import aggregation, first
from selfagg.prompts.candidates import candidate_format_named
from selfagg.prompts.fit import fit
from selfagg.run.subsets import Set, address_seed, draw_sets
from selfagg.training.waiting import waited_for
from selfagg.types import Member, Message, Question, Reply

Place = tuple[int, int, int, int]
"""Question (from 0), loop, population (from 1), member."""


@dataclass(frozen=True, slots=True)
class LoopCall:
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


Write = Callable[[list[tuple[Message, ...]]], list[LoopCall]]
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

    def run(self, write: Write, model: Model, max_tokens: int) -> dict[Place, LoopCall]:
        """Runs all loops together, population by population.

        Args:
            write: Samples.
            model: Counts tokens, and knows its context.
            max_tokens: Most tokens of a response.
        """
        done: dict[Place, LoopCall] = {}
        sets = [self.sets(question) for question in range(len(self.questions))]
        for t in range(1, self.t + 1):
            here = [place for place in self.places() if place[2] == t]
            parents: list[Set] = [sets[question][t][i] if t > 1 else () for question, _, _, i in here]
            shown = [
                [Member(t - 1, parent, reply=done[question, loop, t - 1, parent].reply) for parent in chosen]
                for (question, loop, _, _), chosen in zip(here, parents, strict=True)
            ]
            asked = waited_for(self._conversations(here, shown, model, max_tokens))
            for place, chosen, written in zip(here, parents, write(asked), strict=True):
                done[place] = replace(written, parents=chosen)
        return done

    async def _conversations(
        self, places: Sequence[Place], shown: Sequence[Sequence[Member]], model: Model, max_tokens: int
    ) -> list[tuple[Message, ...]]:
        candidate_format, conversations = candidate_format_named("response"), []
        for (question, *_), candidates in zip(places, shown, strict=True):
            asked = self.questions[question]
            prompt = aggregation(asked, candidates) if candidates else first(asked)
            conversations.append((await fit(prompt, candidate_format, model, max_tokens, model.context)).messages)
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
