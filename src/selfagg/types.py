"""The vocabulary that every part shares: questions, requests, replies, members of a population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from enum import StrEnum
from typing import Any, Literal

Kind = Literal["math", "choice", "reasoning_gym", "code", "text"]
KINDS: tuple[Kind, ...] = ("math", "choice", "reasoning_gym", "code", "text")

Message = Mapping[str, Any]
"""One chat message as the OpenAI API has it: ``role``, ``content`` and what else it may carry."""


class Stop(StrEnum):
    """The reason for which a model stopped writing."""

    FINISHED = "finished"
    LENGTH = "length"
    FILTERED = "filtered"
    UNKNOWN = "unknown"  # the server gave a reason that nobody knows


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call or of many.

    Attributes:
        prompt: Tokens of the prompts.
        cached: Those of ``prompt`` that came from a cache.
        completion: Tokens of the replies.
        reasoning: Those of ``completion`` that belong to reasoning sections.
        unknown: Calls whose server did not report its tokens. They are in none of the other figures.
    """

    prompt: int = 0
    cached: int = 0
    completion: int = 0
    reasoning: int = 0
    unknown: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    @property
    def total(self) -> int:
        """Return prompt and completion tokens together, as a budget counts them."""
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True)
class Sampling:
    """The sampling of one reply.

    Attributes:
        temperature: Sampling temperature.
        top_p: Nucleus mass (1.0, the whole distribution; with the server's sampling what the server takes).
        max_tokens: Most tokens of one reply, its reasoning included (8192 as in the paper, or a quarter of a smaller
            context).
        stop: A string that ends a reply; several times.
        reasoning_effort: ``low``, ``medium``, ``high``, for models that know it.
        logprobs: Record the log-probability of each token written.
        extra_body: Further fields for the server's request body, passed on as they are.
        server_defaults: neutral (False): send the neutral value of top_p, top_k, min_p, ..., so that every connection
            samples the same distribution. server (True): leave what is not given to the server or the checkpoint.
    """

    temperature: float = 1.0
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    reasoning_effort: str | None = None
    logprobs: bool = False
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    server_defaults: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """A solved problem that is shown before a question, as an earlier turn.

    Attributes:
        text: The problem.
        right: A response that solves it, in the form that is asked for.
        wrong: One that does not, for examples of aggregation; ``""``: there is none to show.
    """

    text: str
    right: str
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One problem.

    Attributes:
        id: Its name in records; unique within a run.
        text: The problem as the benchmark states it.
        kind: Kind of the question, which decides wording and scoring.
        gold: The right answer, or None where nobody knows it.
        instruction: The form of the final answer. None: the form of its kind; ``""``: the text says it already.
        context: Messages before the question: a system prompt, earlier turns.
        examples: Worked examples, shown after a system prompt; in an aggregation prompt with candidates of their own.
        data: Data for scoring beyond ``gold`` (a Reasoning Gym entry, a program's tests). JSON values only.
        group: The task or subject it belongs to, for tables by group.
        turn: The chat message whose text this is, where it is more than text: several parts (images), a name.
        after: Messages after the question's own: an agent's calls so far, and what they gave.
    """

    id: str
    text: str
    kind: Kind = "text"
    gold: str | None = None
    instruction: str | None = None
    context: tuple[Message, ...] = ()
    examples: tuple[Example, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    group: str = ""
    turn: Message | None = None
    after: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One call to a model.

    Attributes:
        messages: The conversation to answer.
        sampling: The sampling; ``max_tokens`` is always set here.
        seed: The member's own seed, from its address; below 2**31.
        question: The question, without its gold answer and data, unless the model has an attribute ``sees_gold`` that
            is true (a simulated one). A real connection sends nothing but ``messages``.
        parents: The members shown in the prompt.
        verbatim: True if ``Reply.choice`` and ``Delta.choice`` are wanted.
        run_seed: The run's seed; for recorded samples alone, as the next.
        place: The member's place in its population.
    """

    messages: tuple[Message, ...]
    sampling: Sampling
    seed: int
    question: Question
    parents: tuple[Member, ...] = ()
    verbatim: bool = False
    run_seed: int = 0
    place: int = 0


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a reply as it is written: of its text or of its reasoning section; ``choice`` as in `Reply`."""

    text: str = ""
    reasoning: str = ""
    choice: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply of a model.

    Attributes:
        text: The response without its reasoning section; may be empty where a reply was cut while reasoning.
        reasoning: The reasoning section where the model separates one (``reasoning``, ``reasoning_content``
            or <think> tags), else ``""``.
        logprobs: Log-probability of each token, where asked for and given.
        tries: Number of tries of the call; 0: there was no call, the reply is a copy.
        seconds: From sending the successful try to its last token.
        choice: The choice of the server's answer as it came, where asked for and given: tool calls,
            log-probabilities in full. Of a streamed reply its end alone.
    """

    text: str
    reasoning: str = ""
    stop: Stop = Stop.FINISHED
    usage: Usage = Usage()
    logprobs: tuple[float, ...] | None = None
    tries: int = 1
    seconds: float = 0.0
    choice: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Member:
    """Member ``i`` of population ``t`` (populations count from 1, members from 0).

    Attributes:
        t: Its population; 1 is the first.
        i: Its place in the population.
        parents: Places in population ``t - 1`` of the candidates it was made from, in the prompt's order.
        reply: The reply of the model, or None if the call failed.
        error: The reason for the failure, or None.
        answer: The final answer read from the reply, or None if there is none (or nobody looked yet).
        score: 1.0 right, 0.0 wrong, between them the task's partial credit; None if not scored.
    """

    t: int
    i: int
    parents: tuple[int, ...] = ()
    reply: Reply | None = None
    error: str | None = None
    answer: str | None = None
    score: float | None = None

    @property
    def text(self) -> str:
        """Return the response, or ``""`` where there is none."""
        return self.reply.text if self.reply else ""

    @property
    def copied(self) -> bool:
        """Return True if the member copies its first parent, without a call because all its parents agree."""
        return self.reply is not None and not self.reply.tries

    @property
    def right(self) -> bool:
        """Return True if the member's answer is right: full score, not partial credit."""
        return self.score is not None and self.score >= 1.0
