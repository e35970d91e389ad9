"""The prompts of a training set: those that are possible, those that are taken, and their rows.

Two passes, so that memory holds no texts but those of the rows being written: the first counts tokens and right
candidates, the second reads the chosen candidates again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil, comb
from typing import Any

from selfagg.errors import TooLong, UsageError
from selfagg.models import Model
from selfagg.models.openai.discovery import estimate_tokens
from selfagg.prompts import Prompt, aggregation, first
from selfagg.prompts.fit import LEAST_REPLY, Fitted, fit, reply_room
from selfagg.prompts.prompt import candidate_format_named
from selfagg.record.record import CANDIDATE, Record
from selfagg.run.engine import Settings
from selfagg.run.subsets import address_random
from selfagg.training.recipe import Recipe, Split, draw_subsets, mixture
from selfagg.training.rows import PLAIN, TrainingRow, question_text
from selfagg.training.rows import Split as File
from selfagg.types import Member, Message, Question

AT_ONCE = 64
"""Problems whose prompts are counted at once."""


@dataclass(frozen=True, slots=True)
class PromptEntry:
    """One prompt of the set to be.

    Attributes:
        position: Of its problem.
        tokens: Of its prompt.
        members: The candidates shown, in this order.
        c: Number of right candidates.
        cut: Number of shortened candidates.
        messages: The conversation, where it has to be shortened and is not the one that the candidates give.
    """

    position: int
    tokens: int
    members: tuple[int, ...] = ()
    c: int = PLAIN
    cut: int = 0
    messages: tuple[Message, ...] | None = None


@dataclass
class PromptAssembly:
    """The assembly of a set's prompts, step by step.

    Attributes:
        record: The candidates, and all problems.
        questions: All problems.
        origins: For each the name of its source.
        recipe: The recipe of the set.
        settings: The sampling and the shown part of candidates.
        model: Counts tokens; None: they are estimated, and no prompt is too long.
        plain: The plain prompts that fit, by the places of the problems to train on.
        test: Those of the held out problems.
        drawn: Aggregation prompts by problem.
        counts: Numbers of prompts left out, by reason.
    """

    record: Record
    questions: Sequence[Question]
    origins: Sequence[str]
    recipe: Recipe
    settings: Settings
    model: Model | None
    plain: dict[int, PromptEntry] = field(default_factory=dict)
    test: dict[int, PromptEntry] = field(default_factory=dict)
    drawn: dict[int, list[PromptEntry]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._view = candidate_format_named(self.settings.candidate)

    # -- first pass

    async def measure(self, parts: Split) -> None:
        """Find the plain prompts that fit.

        Raises:
            UsageError: None does, or one holds more than text.
        """
        self.counts["repeated"] = parts.repeated
        for places, found in ((parts.train, self.plain), (parts.test, self.test)):
            for batch in _batches(places):
                entries = await asyncio.gather(
                    *(self._measured(first(self.questions[place]), place) for place in batch)
                )
                found.update({entry.position: entry for entry in entries if entry})
            self.counts["plain_too_long"] += len(places) - len(found)
        if not self.plain:
            raise UsageError(
                f"no problem is left to train on: the prompts of all {len(parts.train)} are longer than {self._bound()}"
            )

    def check_share(self) -> None:
        """Raise `UsageError` where the share of aggregation prompts is less than one prompt, whatever is sampled."""
        most = len(self.plain) * self.recipe.draws
        if self.recipe.fraction > 0 and mixture(len(self.plain), most, self.recipe.fraction)[1] == 0:
            raise UsageError(
                f"fraction = {self.recipe.fraction} of {len(self.plain):,} problems is less than one aggregation "
                "prompt (0: plain problems alone)"
            )

    def rounds(self) -> Iterator[Sequence[int]]:
        """Yield the problems to sample candidates for: first as many as the share takes, then others for dropped ones.

        They come in the set's order, so the set is the same as if all problems had candidates.
        """
        order, share = self._order(), self.recipe.fraction
        wanted = len(order) if share == 1 else min(len(order), ceil(len(order) * share / (1 - share)))
        asked = 0
        while asked < len(order) and len(self.drawn) < wanted:
            kept = len(self.drawn) / asked if self.drawn else 1.0
            batch = order[asked : asked + ceil((wanted - len(self.drawn)) / kept)]
            asked += len(batch)
            yield batch

    async def draw(self, places: Sequence[int]) -> None:
        """Draw aggregation prompts for these problems from the candidates that the record holds."""
        for batch in _batches(places):
            drawn = await asyncio.gather(*(self._drawn(place) for place in batch))
            self.drawn.update({place: entries for place, entries in zip(batch, drawn, strict=True) if entries})

    async def _drawn(self, place: int) -> list[PromptEntry]:
        recipe, question = self.recipe, self.questions[place]
        members = self._members(place)
        usable = [i for i, member in sorted(members.items()) if member.reply and member.score is not None]
        if len(usable) < recipe.k:
            self.counts["too_few_candidates"] += 1
            return []
        self.counts["sets_missing"] += max(0, recipe.draws - comb(len(usable), recipe.k))
        entries: list[PromptEntry] = []
        for chosen in draw_subsets(self.settings.seed, question.id, usable, k=recipe.k, draws=recipe.draws):
            c = sum(members[i].right for i in chosen)
            self.counts["drawn"] += 1
            if not recipe.keeps(c):
                self.counts["all_right" if c else "all_wrong"] += 1
                continue
            prompt = aggregation(question, [members[i] for i in chosen])
            entry = await self._measured(prompt, place, chosen, c)
            if entry is None or (entry.cut and recipe.too_long == "drop"):
                self.counts["aggregation_too_long"] += 1
            else:
                entries.append(entry)
        return entries

    async def _measured(
        self, prompt: Prompt, place: int, members: tuple[int, ...] = (), c: int = PLAIN
    ) -> PromptEntry | None:
        """Return the entry of a prompt, or None if the prompt is too long even when it is shortened."""
        try:
            fitted = await self._fitted(prompt)
        except TooLong:
            return None
        _check_text(prompt.question, fitted.messages)
        tokens = await self.model.count_tokens(fitted.messages) if self.model else estimate_tokens(fitted.messages)
        if self.recipe.max_prompt_tokens is not None and tokens > self.recipe.max_prompt_tokens:
            return None
        return PromptEntry(place, tokens, members, c, fitted.cut, fitted.messages if fitted.cut else None)

    async def _fitted(self, prompt: Prompt) -> Fitted:
        if self.model is None:
            return Fitted(prompt.messages(()), 0)
        context = self.model.context
        room = reply_room(self.settings.sampling.max_tokens, context)
        bound = self.recipe.max_prompt_tokens
        if bound is not None and (context is None or bound < context - room):
            room, context = LEAST_REPLY, bound + LEAST_REPLY  # shortens to the bound; a larger reply would take of it
        return await fit(prompt, self._view, self.model, room, context)

    def _bound(self) -> str:
        if self.recipe.max_prompt_tokens is not None:
            return f"--max-prompt-tokens {self.recipe.max_prompt_tokens}"
        return f"the context of {self.model.context if self.model else None} tokens allows"

    def _members(self, place: int) -> dict[int, Member]:
        return {i: member for (role, t, i), member in self.record.members(place).items() if (role, t) == (CANDIDATE, 1)}

    # -- the choice

    def mixed(self) -> list[PromptEntry]:
        """Return the training set in its order: no prompt twice, the first draw of every problem before any second one.

        Raises:
            UsageError: There is no aggregation prompt to take.
        """
        order = self._order()
        plain = [self.plain[place] for place in order]
        drawn = [
            self.drawn[place][turn]
            for turn in range(self.recipe.draws)
            for place in order
            if turn < len(self.drawn.get(place, ()))
        ]
        if self.recipe.fraction > 0 and not drawn:
            raise UsageError(self._nothing_drawn())
        n_plain, n_drawn = mixture(len(plain), len(drawn), self.recipe.fraction)
        entries = plain[:n_plain] + drawn[:n_drawn]
        address_random(self.settings.seed, "training data", "mixture").shuffle(entries)
        return entries

    def _order(self) -> list[int]:
        """Return the problems to train on, in the order in which they are taken."""
        order = sorted(self.plain)
        address_random(self.settings.seed, "training data", "order").shuffle(order)
        return order

    def held_out(self) -> list[PromptEntry]:
        """Return the test split, in the problems' order."""
        return [self.test[place] for place in sorted(self.test)]

    def _nothing_drawn(self) -> str:
        counts, k = self.counts, self.recipe.k
        reasons = [
            (counts["too_few_candidates"], f"problems have fewer than {k} candidates"),
            (counts["all_right"], "draws had only right candidates and were dropped"),
            (counts["all_wrong"], "draws had only wrong candidates and were dropped"),
            (counts["aggregation_too_long"], f"draws were longer than {self._bound()}"),
        ]
        said = ", ".join(f"{number:,} {what}" for number, what in reasons if number)
        errors = self.record.query(
            "SELECT error FROM generations WHERE error IS NOT NULL ORDER BY started DESC LIMIT 1"
        )
        last = f"; the last call that failed: {errors[0][0]}" if errors else ""
        return f"no aggregation prompt is left of {len(self.plain):,} problems: {said}{last}"

    # -- second pass

    def rows(self, file: File, entries: Iterable[PromptEntry]) -> Iterator[TrainingRow]:
        """Yield the rows of these entries, one at a time."""
        for index, entry in enumerate(entries):
            question = self.questions[entry.position]
            yield TrainingRow(
                data_source=f"selfagg/{self.origins[entry.position]}",
                prompt=entry.messages or self._messages(entry),
                ability=question.kind,
                ground_truth=question.gold or "",
                index=index,
                split=file,
                id=question.id,
                question=question_text(question),
                aggregation=bool(entry.members),
                k=len(entry.members),
                c=entry.c,
                prompt_tokens=entry.tokens,
            )

    def _messages(self, entry: PromptEntry) -> tuple[Message, ...]:
        question = self.questions[entry.position]
        if not entry.members:
            return first(question).messages(())
        members = self._members(entry.position)
        shown = [members[i] for i in entry.members]
        return aggregation(question, shown).messages([self._view(member) for member in shown])

    def facts(self, train: Sequence[PromptEntry], test: Sequence[PromptEntry]) -> dict[str, Any]:
        """Return the numbers of prompts in the set and of prompts left out, by kind."""
        drawn = [entry for entry in train if entry.members]
        plain = [entry for entry in train if not entry.members]
        by_c = Counter(entry.c for entry in drawn)
        available = sum(map(len, self.drawn.values()))
        return {
            "rows": {"plain": len(plain), "aggregation": len(drawn), "test": len(test)},
            "by_c": {str(c): by_c[c] for c in range(self.recipe.k + 1)} if drawn else {},
            "problems": {
                "all": len(self.questions),
                "trained_on": len({entry.position for entry in train}),
                "repeat_a_held_out_one": self.counts["repeated"],
                "too_long": self.counts["plain_too_long"],
                "too_few_candidates": self.counts["too_few_candidates"],
                "plain_left_over": len(self.plain) - len(plain),
            },
            "draws": {
                "made": self.counts["drawn"],
                "sets_missing": self.counts["sets_missing"],
                "dropped_all_right": self.counts["all_right"],
                "dropped_all_wrong": self.counts["all_wrong"],
                "dropped_too_long": self.counts["aggregation_too_long"],
                "left_over": available - len(drawn),
            },
            "shortened": {
                "prompts": sum(entry.cut > 0 for entry in drawn),
                "candidates": sum(entry.cut for entry in drawn),
            },
            "prompt_tokens": {
                "counted": self.model is not None,
                "plain": _lengths(plain),
                "aggregation": _lengths(drawn),
            },
        }


def _lengths(entries: Sequence[PromptEntry]) -> dict[str, float] | None:
    lengths = [entry.tokens for entry in entries]
    return {"mean": round(sum(lengths) / len(lengths), 1), "max": max(lengths)} if lengths else None


def _batches(places: Sequence[int]) -> Iterator[Sequence[int]]:
    return (places[start : start + AT_ONCE] for start in range(0, len(places), AT_ONCE))


def _check_text(question: Question, messages: Sequence[Message]) -> None:
    for message in messages:
        if set(message) - {"role", "content"} or not isinstance(message.get("content"), str):
            raise UsageError(
                f"problem {question.id} has a message that is more than a role and a text (an image, a call of a "
                "tool), which a training set cannot hold"
            )
