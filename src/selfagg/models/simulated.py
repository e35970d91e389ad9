"""A simulated model: it knows the right answer and gives it with a chance that depends on its candidates.

For tests of algorithms and for load, never for a claim about language models. A reply follows from the request's
question, seed and candidates alone, and the seed belongs to the member's address: neither time nor order nor
concurrency changes a reply.

Without ``skill`` an aggregation is right with a chance that is linear in the share of right candidates, so the
accuracy of a population hardly moves: a law with known r_c, for tests. With ``skill`` an aggregation takes over an
answer of its candidates, as a language model does: one that n candidates give with weight n ** herd, a right one with
e ** skill times as much; and it solves the question anew with weight 1. The presets of ``WORLDS`` are set so that their
curves by population, by K and by right candidates look like those of arXiv 2509.26626.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
import random
import re
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from selfagg._internal.arguments import suggest
from selfagg.errors import ContextOverflow, ModelError, UsageError
from selfagg.models import Access
from selfagg.models.base import AlwaysOpen, text_bytes
from selfagg.types import Delta, Member, Message, Question, Reply, Request, Stop, Usage

UNANSWERED = "Simulated reply without an answer."
CUT_OFF = "Simulated reply, cut off before its answer"
SLIP = 0.02
"""Chance that an aggregation of the law of skill is wrong whatever its candidates say."""
LARGEST = 20
"""Largest ``skill`` and ``herd``: beyond it a weight is as good as infinite."""
EASY = 0.98
"""Chance of a right first sample for an easy question."""
LONGER = 1.6
"""The ratio of a wrong reply's length to a right one's in the law of skill; 1.6 to 2.3 in replies of Qwen3."""
UNLIKE = 0.14
"""Spread of ``agree`` over questions, fitted to recorded replies of Qwen3."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """The settings of a simulation: the text after ``simulated:``, as ``p=0.4,cv=0.8`` or ``aime,speed=100``."""

    p: float = 0.4  # chance that a first sample is right, on average over questions neither easy nor hopeless
    spread: float = 0.3  # inequality of these questions: 0 all alike, towards 1 each always right or always wrong
    easy: float = 0.0  # share of questions whose first samples are right but for one in 50
    hopeless: float = 0.0  # share of questions whose first samples are never right
    rescue: float = 0.05  # r_0, the chance that an aggregation is right though none of its parents is
    keep: float = 0.95  # r_K, the chance that it is right when all of them are; in between the chance is linear
    # Skill of an aggregation in seeing a right answer: 0.7 of it where p = 0, 1.2 of it where p = 1. 0: the linear law;
    # else ``rescue`` and ``keep`` count for nothing.
    skill: float = 0.0
    herd: float = 1.3  # strength with which it follows the answer that most candidates give; 1: in proportion
    unanswered: float = 0.0  # share of replies without an answer
    wrong: int = 5  # different wrong answers to a question
    agree: float = 0.0  # share of the wrong replies with the most common wrong answer; 0: all equally common
    tokens: int = 400  # mean length of a reply
    cv: float = 0.8  # coefficient of variation of the lengths, which are log-normal
    speed: float = 0.0  # tokens a second of one reply; 0 for no waiting at all
    fail: float = 0.0  # share of calls that fail for good
    untold: float = 0.0  # share of replies whose tokens are not told
    slots: int = 256  # calls at once
    context: int = 0  # tokens of context; 0 for no bound

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            lowest = 1 if name in ("wrong", "tokens", "slots") else 0
            if name in ("p", "spread", "easy", "hopeless", "rescue", "keep", "unanswered", "agree", "fail", "untold"):
                if not 0 <= value <= 1:
                    raise UsageError(f"simulated: {name} = {value}, but it is a share from 0 to 1")
            elif not lowest <= value < math.inf:
                raise UsageError(f"simulated: {name} = {value}, but it is at least {lowest}")
            elif name in ("skill", "herd") and value > LARGEST:
                raise UsageError(f"simulated: {name} = {value}, but it is at most {LARGEST}")
        if self.easy + self.hopeless > 1:
            raise UsageError(
                f"simulated: easy = {self.easy} and hopeless = {self.hopeless} are more than all questions"
            )


_CONTEST = Simulation(wrong=20, tokens=1500, cv=0.5)

WORLDS: dict[str, Simulation] = {
    "aime": dataclasses.replace(_CONTEST, p=0.59, spread=0.3, hopeless=0.22, skill=1.5, agree=0.3),
    "hmmt": dataclasses.replace(_CONTEST, p=0.55, spread=0.35, hopeless=0.45, skill=1.4, agree=0.4),
    "choice": Simulation(p=0.55, spread=0.3, hopeless=0.1, skill=0.3, agree=0.5, wrong=9, tokens=800, cv=0.5),
    "weak": dataclasses.replace(_CONTEST, p=0.35, spread=0.3, hopeless=0.5, skill=0.4, agree=0.25),
    "traffic": Simulation(p=0.5, spread=0.4, easy=0.7, hopeless=0.05, skill=1.5, agree=0.3, wrong=20, tokens=400),
}
"""Presets: ``simulated:aime`` and so on, fitted to curves like those of arXiv 2509.26626."""


def connect(settings: str, access: Access) -> SimulatedModel:
    """Return the simulated model with these settings: ``NAME=VALUE``, after the name of a preset or alone.

    Raises:
        UsageError: There is no such preset or setting, or a value is impossible.
    """
    given: dict[str, float] = {}
    fields = {field.name: field for field in dataclasses.fields(Simulation)}
    first, *further = parts = settings.split(",")
    world = WORLDS.get(first)
    for part in filter(None, parts if world is None else further):
        name, equals, value = part.partition("=")
        if not equals and name not in fields:
            presets = f"a preset ({', '.join(WORLDS)}), which stands first, nor NAME=VALUE"
            raise UsageError(f"simulated: {name!r} is neither {presets}")
        if name not in fields:
            raise UsageError(f"simulated: there is no setting {name!r}; {suggest(name, fields)}")
        number = int if fields[name].type == "int" else float
        try:
            given[name] = number(value)
        except ValueError:
            raise UsageError(f"simulated: {name} = {value!r} is no {'whole ' * (number is int)}number") from None
    simulation = dataclasses.replace(world or Simulation(), **given)  # type: ignore[arg-type]
    return SimulatedModel(simulation, f"simulated:{settings}", access)


class SimulatedModel(AlwaysOpen):
    """A connection to no model at all, behind the protocol of a real one."""

    sees_gold = True

    def __init__(self, simulation: Simulation, name: str = "simulated:", access: Access | None = None) -> None:
        access = access or Access()
        self.simulation, self.name = simulation, name
        self.concurrency = access.concurrency or simulation.slots
        self.context: int | None = access.context or simulation.context or None

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        return -(-text_bytes(messages) // 4)

    async def sample(self, request: Request) -> Reply:
        """Return a reply, right or wrong, short or long, that follows from the simulation and the seed."""
        reply = await self._reply(request)
        await asyncio.sleep(reply.seconds)
        return reply

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Yield the reply of `sample` word by word, over the time that it takes."""
        reply = await self._reply(request)
        words = re.findall(r"\S+\s*", reply.text)
        for word in words:
            await asyncio.sleep(reply.seconds / len(words))
            yield Delta(word)
        yield reply

    async def _reply(self, request: Request) -> Reply:
        simulation, chance = self.simulation, random.Random(request.seed)
        prompt_tokens = await self.count_tokens(request.messages)
        limit = request.sampling.max_tokens or simulation.tokens
        if self.context is not None and prompt_tokens + 1 > self.context:
            raise ContextOverflow(f"simulated: {prompt_tokens} tokens do not fit a context of {self.context}")
        length, luck = self._length(chance), chance.random()
        text = self._text(request.question, request.parents, chance)
        if simulation.skill and not text.endswith(_stated(request.question, _right(request.question))):
            length = round(LONGER * length)
        seconds = min(length, limit) / simulation.speed if simulation.speed else 0.0
        if luck < simulation.fail:
            await asyncio.sleep(seconds)
            raise ModelError("simulated failure")
        told = Usage(unknown=1) if chance.random() < simulation.untold else Usage(prompt_tokens, 0, min(length, limit))
        text, stop = (CUT_OFF, Stop.LENGTH) if length > limit else (text, Stop.FINISHED)
        return Reply(text, stop=stop, usage=told, seconds=seconds)

    def _length(self, chance: random.Random) -> int:
        variance = 2 * math.log(math.hypot(1, self.simulation.cv))
        mean = math.log(self.simulation.tokens) - variance / 2
        return max(1, round(chance.lognormvariate(mean, math.sqrt(variance))))

    def _text(self, question: Question, parents: Sequence[Member], chance: random.Random) -> str:
        simulation = self.simulation
        right = _stated(question, _right(question))
        if chance.random() < simulation.unanswered:
            return UNANSWERED
        if parents and simulation.skill:
            return self._aggregated(question, parents, right, chance)
        if parents:
            share = sum(parent.text.endswith(right) for parent in parents) / len(parents)
            return self._answered(question, simulation.rescue + (simulation.keep - simulation.rescue) * share, chance)
        return self._answered(question, self._difficulty(question), chance)

    def _answered(self, question: Question, p: float, chance: random.Random) -> str:
        right = _right(question)
        if chance.random() < p:
            return f"Simulated reply. {_stated(question, right)}"
        return f"Simulated reply. {_stated(question, _wrong(question, right, self._which(question, chance)))}"

    def _aggregated(self, question: Question, parents: Sequence[Member], right: str, chance: random.Random) -> str:
        """Take over a candidate's text, a right one more readily, or solve the question anew, or slip."""
        simulation, p = self.simulation, self._difficulty(question)
        if chance.random() < SLIP:
            return self._answered(question, 0.0, chance)
        preference = math.exp(simulation.skill * (0.7 + 0.5 * p))
        counts = Counter(parent.text for parent in parents if parent.text not in ("", UNANSWERED, CUT_OFF))
        texts = [None, *counts]
        weights = [1.0] + [
            n**simulation.herd * (preference if text.endswith(right) else 1.0) for text, n in counts.items()
        ]
        (taken,) = chance.choices(texts, weights)
        return self._answered(question, p, chance) if taken is None else taken

    def _which(self, question: Question, chance: random.Random) -> int:
        """Draw one of the wrong answers: the first is the most common, each next one less so by the same factor."""
        agree, wrong = self.simulation.agree, self.simulation.wrong
        if not agree:
            return chance.randrange(wrong)
        wrong = min(wrong, 1000)  # the next ones hardly ever occur
        rest = 1 - _beta(agree, UNLIKE, random.Random(f"{question.id}/wrong"))
        return chance.choices(range(wrong), [rest**place for place in range(wrong)])[0]

    def _difficulty(self, question: Question) -> float:
        """Return a question's own chance of a right first sample, the same in every run."""
        simulation = self.simulation
        place = random.Random(f"{question.id}/place").random() if simulation.easy or simulation.hopeless else 0.5
        if place < simulation.hopeless:
            return 0.0
        if place >= 1 - simulation.easy:
            return EASY
        return _beta(simulation.p, simulation.spread, random.Random(question.id))


def _beta(mean: float, spread: float, chance: random.Random) -> float:
    if spread == 0 or mean in (0, 1):
        return mean
    if spread == 1:
        return float(chance.random() < mean)
    weight = (1 - spread) / spread
    return chance.betavariate(mean * weight, (1 - mean) * weight)


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
