"""A simulated model: it knows the right answer and gives it with a chance that depends on its parents.

For tests of algorithms and for load, never for a claim about language models. Everything that it does follows from
a request's seed, which belongs to the member's address: neither time nor order nor concurrency changes a reply.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
import random
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from selfagg._internal.suggest import suggest
from selfagg.errors import ContextOverflow, ModelError, UsageError
from selfagg.models import Access
from selfagg.models.base import AlwaysOpen, text_bytes
from selfagg.types import Delta, Member, Message, Question, Reply, Request, Stop, Usage

BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Simulation:
    """What is simulated: the text after ``simulated:``, as ``p=0.4,cv=0.8``.

    Attributes:
        p: Chance that a first sample is right, on average over questions.
        spread: How unequal questions are: 0 all alike, towards 1 each always right or always wrong.
        rescue: r_0, the chance that an aggregation is right though none of its parents is.
        keep: r_K, the chance that it is right when all of them are; in between the chance is linear.
        unanswered: Share of replies without an answer.
        wrong: How many different wrong answers there are to a question.
        tokens: Mean length of a reply.
        cv: Coefficient of variation of the lengths, which are log-normal.
        speed: Tokens a second of one reply; 0 for no waiting at all.
        fail: Share of calls that fail for good.
        untold: Share of replies whose tokens are not told.
        slots: Calls at once.
        context: Tokens of context; 0 for no bound.
    """

    p: float = 0.4
    spread: float = 0.3
    rescue: float = 0.05
    keep: float = 0.95
    unanswered: float = 0.0
    wrong: int = 5
    tokens: int = 400
    cv: float = 0.8
    speed: float = 0.0
    fail: float = 0.0
    untold: float = 0.0
    slots: int = 256
    context: int = 0

    def __post_init__(self) -> None:
        for name in ("p", "spread", "rescue", "keep", "unanswered", "fail", "untold"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"simulated: {name} = {getattr(self, name)}, but it is a share from 0 to 1")
        for name, least in (("wrong", 1), ("tokens", 1), ("slots", 1), ("cv", 0), ("speed", 0), ("context", 0)):
            if not least <= getattr(self, name) < math.inf:
                raise UsageError(f"simulated: {name} = {getattr(self, name)}, but it is at least {least}")


def connect(settings: str, access: Access) -> SimulatedModel:
    """The simulated model with these settings; none for the defaults."""
    given: dict[str, float] = {}
    fields = {field.name: field for field in dataclasses.fields(Simulation)}
    for part in filter(None, settings.split(",")):
        name, _, value = part.partition("=")
        if name not in fields:
            raise UsageError(f"simulated: there is no setting {name!r}; {suggest(name, fields)}")
        number = int if fields[name].type == "int" else float
        try:
            given[name] = number(value)
        except ValueError:
            raise UsageError(f"simulated: {name} = {value!r} is no {'whole ' * (number is int)}number") from None
    return SimulatedModel(Simulation(**given), f"simulated:{settings}", access)  # type: ignore[arg-type]


class SimulatedModel(AlwaysOpen):
    """A connection to no model at all, behind the protocol of a real one."""

    sees_gold = True

    def __init__(self, simulation: Simulation, name: str = "simulated:", access: Access | None = None) -> None:
        access = access or Access()
        self.simulation = simulation
        self.name = name
        self.concurrency = access.concurrency or simulation.slots
        self.context: int | None = access.context or simulation.context or None

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """A token for every four bytes."""
        return -(-text_bytes(messages) // BYTES_PER_TOKEN)

    async def sample(self, request: Request) -> Reply:
        """A reply that is right or wrong, short or long, as the simulation and the seed have it."""
        async with aclosing(self._pieces(request, whole=True)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Reply):
                    return piece
        raise AssertionError("the last piece is the reply")

    def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """The same reply, handed out word by word over the time that it takes."""
        return self._pieces(request, whole=False)

    async def _pieces(self, request: Request, *, whole: bool) -> AsyncGenerator[Delta | Reply, None]:
        simulation, chance = self.simulation, random.Random(request.seed)
        prompt_tokens = await self.count_tokens(request.messages)
        limit = request.sampling.max_tokens or simulation.tokens
        if self.context is not None and prompt_tokens + 1 > self.context:
            raise ContextOverflow(f"simulated: {prompt_tokens} tokens do not fit a context of {self.context}")
        length = self._length(chance)
        seconds = min(length, limit) / simulation.speed if simulation.speed else 0.0
        if chance.random() < simulation.fail:
            await asyncio.sleep(seconds)
            raise ModelError("simulated failure")
        text = self._text(request.question, request.parents, chance)
        stop = Stop.FINISHED
        if length > limit:
            text, stop = "Simulated reply, cut off before its answer", Stop.LENGTH
        words = [text] if whole else re.findall(r"\S+\s*", text)
        for word in words:
            await asyncio.sleep(seconds / len(words))
            yield Delta(word)
        told = Usage(unknown=1) if chance.random() < simulation.untold else Usage(prompt_tokens, 0, min(length, limit))
        yield Reply(text, stop=stop, usage=told, seconds=seconds)

    def _length(self, chance: random.Random) -> int:
        variance = 2 * math.log(math.hypot(1, self.simulation.cv))
        mean = math.log(self.simulation.tokens) - variance / 2
        return max(1, round(chance.lognormvariate(mean, math.sqrt(variance))))

    def _text(self, question: Question, parents: Sequence[Member], chance: random.Random) -> str:
        simulation = self.simulation
        right = _right(question)
        if chance.random() < simulation.unanswered:
            return "Simulated reply without an answer."
        if parents:
            share = sum(parent.text.endswith(_stated(question, right)) for parent in parents) / len(parents)
            p = simulation.rescue + (simulation.keep - simulation.rescue) * share
        else:
            p = self._difficulty(question)
        if chance.random() < p:
            return f"Simulated reply. {_stated(question, right)}"
        return f"Simulated reply. {_stated(question, _wrong(question, right, chance.randrange(simulation.wrong)))}"

    def _difficulty(self, question: Question) -> float:
        """A question's own chance of a right first sample: Beta with mean p, the same in every run."""
        p, spread = self.simulation.p, self.simulation.spread
        if spread == 0 or p in (0, 1):
            return p
        if spread == 1:
            return float(random.Random(question.id).random() < p)
        weight = (1 - spread) / spread
        return random.Random(question.id).betavariate(p * weight, (1 - p) * weight)


def _right(question: Question) -> str:
    if question.gold is not None:
        return question.gold
    return "A" if question.kind == "choice" else "42"


def _wrong(question: Question, right: str, which: int) -> str:
    if question.kind == "choice":
        letters = [letter for letter in "ABCDEFGHIJ" if letter != right]
        return letters[which % len(letters)]
    if question.kind == "math":
        return str(1000003 + which)  # not among the answers of any benchmark
    return f"wrong {which}"


def _stated(question: Question, answer: str) -> str:
    if question.kind in ("math", "choice"):
        return f"\\boxed{{{answer}}}"
    return f"\n```python\n{answer}\n```" if question.kind == "code" else f"<answer>{answer}</answer>"
