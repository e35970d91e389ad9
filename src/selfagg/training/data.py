"""Make a training set: sample candidates into a record, and build prompts by the code that inference uses.

A set is a folder: the record of the candidates (an ordinary one, of majority voting), ``train.parquet``, with held out
problems ``test.parquet``, a card (``README.md``) and the same facts as JSON, which are written last.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import ceil, comb
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from selfagg._internal.files import sha256, write_whole
from selfagg.errors import TooLong, UsageError
from selfagg.evaluation.runs import COMPARABLE, share_first_samples
from selfagg.methods import Majority
from selfagg.models import Model
from selfagg.models.openai.discovery import estimate_tokens
from selfagg.prompts import Prompt, aggregation, first
from selfagg.prompts.fit import LEAST_REPLY, fit, reply_room
from selfagg.prompts.prompt import candidate_format_named
from selfagg.record.configuration import about, configuration
from selfagg.record.record import CANDIDATE, Record
from selfagg.record.rows import question_body
from selfagg.run.engine import Callback, Engine, Settings
from selfagg.run.runner import INCOMPLETE, evaluate
from selfagg.run.subsets import address_random
from selfagg.training.cards import data_card, described_pool
from selfagg.training.problems import Parts, Problems, split
from selfagg.training.recipe import Recipe, draw_subsets, mixture
from selfagg.training.rows import Split, TrainingRow, write_rows
from selfagg.types import Member, Message

T = TypeVar("T")

CANDIDATES, FACTS, CARD = "candidates.sqlite", "data.json", "README.md"
NO_MODEL = "none"  # the name in the record of a set for which no model was asked

Watching = Callable[[int], Callback]
"""A function that returns the callback of a round of sampling, for the number of problems sampled by its end."""


@dataclass(frozen=True, slots=True)
class DataPlan:
    """All that decides what a set holds; the seed in ``settings`` decides all draws."""

    problems: Problems
    recipe: Recipe
    settings: Settings
    model: str = NO_MODEL
    told: Mapping[str, Any] = field(default_factory=dict)  # facts that the record notes besides versions

    def __post_init__(self) -> None:
        _ = self.parts  # raises where nothing would be left to train on

    @property
    def parts(self) -> Parts:
        """Return the problems of the training split and of the test split."""
        return split(self.problems.questions, self.recipe.held_out, self.settings.seed)

    @property
    def configuration(self) -> dict[str, Any]:
        """Return the settings that a rerun is compared by."""
        recorded = configuration(self.method, self.model, self.settings, self.problems.source)
        return recorded | {"training_set": asdict(self.recipe)}

    @property
    def method(self) -> Majority:
        """Return the method that samples the candidates."""
        return Majority(n=self.recipe.pool)


def finished_set(folder: Path, plan: DataPlan) -> dict[str, Any] | None:
    """Return the facts of the set in the folder, or None if the set is unfinished or a file is missing or changed.

    Raises:
        UsageError: It is another set; says what differs. Or the folder holds something else.
    """
    _check_folder(folder)
    if not (folder / CANDIDATES).exists():
        return None
    with Record(folder / CANDIDATES) as record:
        record.begin(plan.configuration, plan.problems.questions)
        incomplete = record.query(INCOMPLETE)
    try:
        facts: dict[str, Any] = json.loads((folder / FACTS).read_text("utf-8"))
        whole = all(sha256(folder / name) == digest for name, digest in facts["files"].items())
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return facts if whole and not incomplete else None


def _check_folder(folder: Path) -> None:
    """Raise `UsageError` for a file, and for a folder that holds something else than a training set."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file, and a training set is a folder")
    if (folder / CANDIDATES).exists() or not folder.exists():
        return
    if found := sorted(path.name for path in folder.iterdir()):
        raise UsageError(f"{folder} holds something else than a training set ({found[0]}): name a new folder")


async def make_set(
    folder: Path,
    plan: DataPlan,
    model: Model | None = None,
    *,
    concurrency: int | None = None,
    reused: Path | None = None,
    watching: Watching | None = None,
) -> dict[str, Any]:
    """Make the set or go on with an unfinished one; sample nothing again that is recorded.

    Args:
        folder: A new folder, or one that holds an unfinished set of this plan.
        plan: All that decides the set; its model is the name of ``model``.
        model: The open model; None where nothing is sampled and no prompt is held to a bound (fraction 0).
        concurrency: Most calls at once; None: what the model serves.
        reused: A record whose samples for the same problems serve here too; None: none.
        watching: Returns the callback of each round of sampling; None: nobody is told.

    Returns:
        The facts, as ``data.json`` has them.

    Raises:
        UsageError: The folder holds something else, problems or settings cannot work, or no prompt is left.
        RunStopped: The model is gone; what was sampled is kept.
    """
    _check_folder(folder)
    questions = plan.problems.questions
    with Record(folder / CANDIDATES) as record:
        record.begin(plan.configuration, questions, about(context=model.context if model else None, **plan.told))
        assembly = _Assembly(record, plan, model)
        await assembly.measure()
        if plan.recipe.fraction > 0 and model is not None:
            if reused is not None:
                _share(reused, record, plan.method)
            asked = 0
            for places in assembly.rounds():
                asked += len(places)
                callback = watching(asked) if watching else None
                engine = Engine(model, plan.settings, record, concurrency=concurrency, callback=callback)
                await evaluate(engine, plan.method, questions, only=places)
                await assembly.draw(places)
        try:
            return _written(folder, assembly)
        except OSError as error:
            raise UsageError(f"cannot write the training set {folder}: {error.strerror or error}") from None


def _written(folder: Path, assembly: _Assembly) -> dict[str, Any]:
    """Write the files of a set, the facts last; return these."""
    record, recipe = assembly.record, assembly.recipe
    train, test = assembly.mixed(), [*assembly.test.values()]
    if test:
        write_rows(folder, "test", assembly.rows("test", test))
    write_rows(folder, "train", assembly.rows("train", train))
    facts = {
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "settings": record.configuration,
        "about": record.about,
        **assembly.facts(train, test),
        "candidates": described_pool(record, recipe) if recipe.fraction > 0 else None,
        "files": {path.name: sha256(path) for path in sorted(folder.glob("*.parquet"))},
    }
    write_whole(folder / CARD, data_card(facts))
    write_whole(folder / FACTS, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    return facts


def _share(path: Path, record: Record, method: Majority) -> None:
    """Copy another record's first samples for the same problems."""
    with Record(path, read_only=True) as source:
        bodies = "SELECT position, body FROM questions ORDER BY position"
        if source.query(bodies) != record.query(bodies):
            raise UsageError(f"record {path} is of other problems, so its candidates cannot serve here")
        theirs, ours = source.configuration, record.configuration
        if differing := [key for key in COMPARABLE if theirs.get(key) != ours.get(key)]:
            raise UsageError(f"record {path} differs in {', '.join(differing)}, so its candidates cannot serve here")
        share_first_samples(source, record, method)


class _SetPrompt(NamedTuple):
    """A prompt of the set to be; ``messages`` where candidates had to be shortened, else the members make them."""

    position: int
    tokens: int
    members: tuple[int, ...] = ()
    c: int = -1
    cut: int = 0
    messages: tuple[Message, ...] | None = None


class _Assembly:
    """The assembly of a set's prompts in two passes, so that no texts are held but those of the rows being written.

    The first counts tokens and right candidates, the second reads the chosen candidates again.
    """

    def __init__(self, record: Record, plan: DataPlan, model: Model | None) -> None:
        self.record, self.plan, self.model = record, plan, model  # without a model, tokens are estimated
        self.questions, self.recipe, self.seed = plan.problems.questions, plan.recipe, plan.settings.seed
        self.plain: dict[int, _SetPrompt] = {}  # by the problem's place, as the next two
        self.test: dict[int, _SetPrompt] = {}
        self.drawn: dict[int, list[_SetPrompt]] = {}
        self.counts: Counter[str] = Counter()
        self._view = candidate_format_named(plan.settings.candidate)

    async def measure(self) -> None:
        """Find the plain prompts that fit; raise `UsageError` where none does, or too few for one aggregation."""
        parts, share = self.plan.parts, self.recipe.fraction
        self.counts["repeated"] = parts.repeated
        self.plain, self.test = [
            await _each(places, lambda place: self._measured(first(self.questions[place]), place))
            for places in (parts.train, parts.test)
        ]
        plain = len(self.plain)
        self.counts["plain_too_long"] = len(parts.train) + len(parts.test) - plain - len(self.test)
        if not plain:
            raise UsageError(
                f"no problem is left to train on: the prompts of all {len(parts.train)} are longer than {self._bound()}"
            )
        if share > 0 and mixture(plain, plain * self.recipe.draws, share)[1] == 0:
            less = f"fraction = {share} of {plain:,} problems is less than one aggregation prompt"
            raise UsageError(f"{less} (0: plain problems alone)")
        self._order = [*self.plain]
        address_random(self.seed, "training data", "order").shuffle(self._order)

    def rounds(self) -> Iterator[Sequence[int]]:
        """Yield the problems to sample candidates for: first as many as the share takes, then others for dropped ones.

        They come in the set's order, so the set is the same as if all problems had candidates.
        """
        order, share = self._order, self.recipe.fraction
        wanted = len(order) if share == 1 else min(len(order), ceil(len(order) * share / (1 - share)))
        asked = 0
        while asked < len(order) and len(self.drawn) < wanted:
            kept = len(self.drawn) / asked if self.drawn else 1.0
            batch = order[asked : asked + ceil((wanted - len(self.drawn)) / kept)]
            asked += len(batch)
            yield batch

    async def draw(self, places: Sequence[int]) -> None:
        """Draw aggregation prompts for these problems from the candidates that the record holds."""
        self.drawn |= await _each(places, self._drawn)

    async def _drawn(self, place: int) -> list[_SetPrompt]:
        recipe, question, counts = self.recipe, self.questions[place], self.counts
        members = self._members(place)
        usable = [i for i, member in sorted(members.items()) if member.reply and member.score is not None]
        if len(usable) < recipe.k:
            counts["too_few_candidates"] += 1
            return []
        counts["sets_missing"] += max(0, recipe.draws - comb(len(usable), recipe.k))
        prompts = []
        for chosen in draw_subsets(self.seed, question.id, usable, k=recipe.k, draws=recipe.draws):
            c = sum(members[i].right for i in chosen)
            counts["drawn"] += 1
            if not recipe.keeps(c):
                counts["all_right" if c else "all_wrong"] += 1
                continue
            prompt = await self._measured(aggregation(question, [members[i] for i in chosen]), place, chosen, c)
            if prompt is None or (prompt.cut and recipe.too_long == "drop"):
                counts["aggregation_too_long"] += 1
            else:
                prompts.append(prompt)
        return prompts

    async def _measured(
        self, prompt: Prompt, place: int, members: tuple[int, ...] = (), c: int = -1
    ) -> _SetPrompt | None:
        """Return the prompt with its tokens, or None if it is too long even when it is shortened."""
        model, bound = self.model, self.recipe.max_prompt_tokens
        if model is None:
            return _SetPrompt(place, estimate_tokens(prompt.messages(())))
        context = model.context
        room = reply_room(self.plan.settings.sampling.max_tokens, context)
        if bound is not None and (context is None or bound < context - room):
            room, context = LEAST_REPLY, bound + LEAST_REPLY  # shortens to the bound; a larger reply takes of it
        try:
            fitted = await fit(prompt, self._view, model, room, context)
        except TooLong:
            return None
        tokens = await model.count_tokens(fitted.messages)
        if bound is not None and tokens > bound:
            return None
        return _SetPrompt(place, tokens, members, c, fitted.cut, fitted.messages if fitted.cut else None)

    def _bound(self) -> str:
        if self.recipe.max_prompt_tokens is not None:
            return f"--max-prompt-tokens {self.recipe.max_prompt_tokens}"
        return f"the context of {self.model.context if self.model else None} tokens allows"

    def _members(self, place: int) -> dict[int, Member]:
        return {i: member for (role, t, i), member in self.record.members(place).items() if (role, t) == (CANDIDATE, 1)}

    def mixed(self) -> list[_SetPrompt]:
        """Return the training set in its order: no prompt twice, the first draw of every problem before any second one.

        Raises:
            UsageError: There is no aggregation prompt to take.
        """
        plain = [self.plain[place] for place in self._order]
        draws = [self.drawn.get(place, []) for place in self._order]
        drawn = [prompts[turn] for turn in range(self.recipe.draws) for prompts in draws if turn < len(prompts)]
        if self.recipe.fraction > 0 and not drawn:
            raise UsageError(self._nothing_drawn())
        n_plain, n_drawn = mixture(len(plain), len(drawn), self.recipe.fraction)
        prompts = plain[:n_plain] + drawn[:n_drawn]
        address_random(self.seed, "training data", "mixture").shuffle(prompts)
        return prompts

    def _nothing_drawn(self) -> str:
        reasons = {
            "too_few_candidates": f"problems have fewer than {self.recipe.k} candidates",
            "all_right": "draws had only right candidates and were dropped",
            "all_wrong": "draws had only wrong candidates and were dropped",
            "aggregation_too_long": f"draws were longer than {self._bound()}",
        }
        said = ", ".join(f"{self.counts[name]:,} {reason}" for name, reason in reasons.items() if self.counts[name])
        failed = "SELECT error FROM generations WHERE error IS NOT NULL ORDER BY started DESC LIMIT 1"
        last = "".join(f"; the last call that failed: {error}" for (error,) in self.record.query(failed))
        return f"no aggregation prompt is left of {len(self.plain):,} problems: {said}{last}"

    def rows(self, file: Split, prompts: Iterable[_SetPrompt]) -> Iterator[TrainingRow]:
        """Yield the rows of these prompts, one at a time."""
        for index, prompt in enumerate(prompts):
            question, messages = self.questions[prompt.position], prompt.messages
            if messages is None and not prompt.members:
                messages = first(question).messages(())
            elif messages is None:
                members = self._members(prompt.position)
                shown = [members[i] for i in prompt.members]
                messages = aggregation(question, shown).messages([self._view(member) for member in shown])
            yield TrainingRow(
                f"selfagg/{self.plan.problems.origins[prompt.position]}",
                messages,
                question.kind,
                question.gold or "",
                index,
                file,
                question.id,
                question_body(question),
                aggregation=bool(prompt.members),
                k=len(prompt.members),
                c=prompt.c,
                prompt_tokens=prompt.tokens,
            )

    def facts(self, train: Sequence[_SetPrompt], test: Sequence[_SetPrompt]) -> dict[str, Any]:
        """Return the numbers of prompts in the set and of prompts left out, by kind."""
        drawn = [prompt for prompt in train if prompt.members]
        plain = [prompt for prompt in train if not prompt.members]
        counts, by_c = self.counts, Counter(prompt.c for prompt in drawn)
        return {
            "rows": {"plain": len(plain), "aggregation": len(drawn), "test": len(test)},
            "by_c": {str(c): by_c[c] for c in range(self.recipe.k + 1)} if drawn else {},
            "problems": {
                "all": len(self.questions),
                "trained_on": len({prompt.position for prompt in train}),
                "repeat_a_held_out_one": counts["repeated"],
                "too_long": counts["plain_too_long"],
                "too_few_candidates": counts["too_few_candidates"],
                "plain_left_over": len(self.plain) - len(plain),
            },
            "draws": {
                "made": counts["drawn"],
                "sets_missing": counts["sets_missing"],
                "dropped_all_right": counts["all_right"],
                "dropped_all_wrong": counts["all_wrong"],
                "dropped_too_long": counts["aggregation_too_long"],
                "left_over": sum(map(len, self.drawn.values())) - len(drawn),
            },
            "shortened": {"prompts": sum(one.cut > 0 for one in drawn), "candidates": sum(one.cut for one in drawn)},
            "prompt_tokens": {
                "counted": self.model is not None,
                "plain": _lengths(plain),
                "aggregation": _lengths(drawn),
            },
        }


async def _each(places: Sequence[int], work: Callable[[int], Awaitable[T | None]]) -> dict[int, T]:
    """Do the work for every place, for 64 at once; return the results, but for those that are None or empty."""
    found: dict[int, T] = {}
    for start in range(0, len(places), 64):
        batch = places[start : start + 64]
        results = await asyncio.gather(*map(work, batch))
        found |= {place: result for place, result in zip(batch, results, strict=True) if result}
    return found


def _lengths(prompts: Sequence[_SetPrompt]) -> dict[str, float] | None:
    lengths = [prompt.tokens for prompt in prompts]
    return {"mean": round(sum(lengths) / len(lengths), 1), "max": max(lengths)} if lengths else None
