"""selfagg as an environment of verifiers 0.4, which finds it as ``selfagg-v1`` by this file's name on PYTHONPATH.

A task is a row of a training set: a plain or an aggregation prompt, answered once and rewarded as everywhere else.
With ``t`` above 1 an episode is the whole of RSA on the row's question: each member of each population is a trace of
its own, and all get the same reward, the share of the last population that is right.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import verifiers.v1 as vf  # type: ignore[import-not-found,unused-ignore]
from openai import AsyncOpenAI, OpenAIError
from pydantic import Field
from verifiers.v1.dialects.chat import message_to_wire  # type: ignore[import-not-found,unused-ignore]

from selfagg.errors import ModelError
from selfagg.methods.rsa import RSA
from selfagg.models.base import AlwaysOpen, text_bytes
from selfagg.record.record import NullStore
from selfagg.run.engine import Callback, Engine, Settings
from selfagg.run.runner import evaluate_question
from selfagg.training.reward import REWARDS, Unscorable, reply_of
from selfagg.training.rows import Split, question_of, read_rows
from selfagg.types import Member, Message, Reply, Request

__all__ = ["OneCall", "Prompts", "RSAEnv"]

_MESSAGES = {"system": vf.SystemMessage, "user": vf.UserMessage, "assistant": vf.AssistantMessage}


class PromptData(vf.TaskData):  # type: ignore[misc,unused-ignore]
    """A row: its prompt, and ``extra_info`` with the question, for scoring."""

    info: dict[str, Any]


class PromptTask(vf.Task[PromptData]):  # type: ignore[misc,unused-ignore]
    """Answer the prompt: 1 for a response that is verified right, else 0."""

    @vf.reward  # type: ignore[untyped-decorator,unused-ignore]
    async def right(self, trace: vf.Trace) -> float:
        """The reward.

        Raises:
            Unscorable: The response could not be scored; verifiers keeps that as the trace's error.
        """
        reward = await REWARDS.reward(self.data.info, response(trace))
        if reward.value is None:
            raise Unscorable(f"this response gets no reward: {reward.note}")
        return reward.value

    @vf.metric  # type: ignore[untyped-decorator,unused-ignore]
    async def candidates(self) -> dict[str, float]:
        """What the prompt shows: whether there are candidates, how many, how many of them right (-1: none shown)."""
        return {name: float(self.data.info[name]) for name in ("aggregation", "k", "c")}


class PromptsConfig(vf.TasksetConfig):  # type: ignore[misc,unused-ignore]
    """Which rows: under ``--env.taskset``."""

    data: Path = Path()
    """The training set: a folder that ``selfagg train data`` made."""
    split: Split = "train"
    """``train`` or ``test``."""


class Prompts(vf.Taskset[PromptTask, PromptsConfig]):  # type: ignore[misc,unused-ignore]
    """The rows of a training set."""

    def load(self) -> Iterator[PromptTask]:
        for row in read_rows(self.config.data, self.config.split):
            columns = row.columns()
            data = PromptData(id=row.id, prompt=columns["prompt"], info=columns["extra_info"])
            yield PromptTask(data, self.config.task)


class OneCallConfig(vf.HarnessConfig):  # type: ignore[misc,unused-ignore]
    """Nothing to set."""


class OneCall(vf.Harness[OneCallConfig]):  # type: ignore[misc,unused-ignore]
    """Sends the prompt once, from this process: an answer needs no program, no tools and no sandbox."""

    APPENDS_SYSTEM_PROMPT = True
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    def __init__(self, config: OneCallConfig) -> None:
        super().__init__(config)
        self._client = AsyncOpenAI(base_url="http://localhost", api_key="none", timeout=None, max_retries=4)

    async def launch(
        self,
        ctx: vf.ModelContext,
        trace: vf.Trace,
        runtime: vf.Runtime,
        endpoint: str,
        secret: str,
        mcp_urls: dict[str, str],
        data: vf.TaskData,
        tool_interception_url: str | None = None,
    ) -> vf.ProgramResult:
        """One call through verifiers' own endpoint, which records it and sets model and sampling."""
        system, prompt = self.resolve_prompt(data)
        messages = [vf.UserMessage(content=prompt)] if isinstance(prompt, str) else list(prompt)
        if system:
            messages.insert(0, vf.SystemMessage(content=system))
        client = self._client.with_options(base_url=endpoint, api_key=secret)
        try:
            await client.chat.completions.create(model=ctx.model, messages=[*map(message_to_wire, messages)])
        except OpenAIError as error:
            return vf.ProgramResult(1, "", str(error))
        return vf.ProgramResult(0, "", "")


class RSAConfig(vf.EnvConfig):  # type: ignore[misc,unused-ignore]
    """How a row is answered: under ``--env``."""

    agent: vf.AgentConfig = vf.AgentConfig(runtime=vf.SubprocessConfig())
    max_concurrent_agents: int | None = Field(None, ge=1)
    """Members of one episode in flight; None: all whose candidates are there."""
    n: int = 16
    """Members of a population."""
    k: int = 4
    """Candidates of an aggregation."""
    t: int = 1
    """Populations, the first included; 1: the row's own prompt is answered once."""


class RSAEnv(vf.Env[RSAConfig]):  # type: ignore[misc,unused-ignore]
    """One answer to a row's prompt, or the whole of RSA on its question."""

    async def run(self, task: PromptTask, agents: vf.Agents) -> None:
        """Plays one episode.

        Raises:
            RunStopped: The model is gone.
            Unscorable: A member of the last population could not be scored.
        """
        if self.config.t == 1:
            await agents.agent.run(task)
            return
        method = RSA(n=self.config.n, k=self.config.k, t=self.config.t)
        model, scores = Agent(task, agents.agent), Scores()
        # Each episode draws its own sets, as each run of RSA does.
        engine = Engine(model, Settings(seed=random.getrandbits(31)), NullStore(), callback=scores)
        await evaluate_question(engine, method, question_of(task.data.info), 0)
        last = [member for member in scores.members if member.t == method.t]
        if any(member.reply and member.score is None for member in last):
            raise Unscorable("a response of the last population could not be scored")
        reward = sum(member.right for member in last) / len(last)
        for member in scores.members:
            trace = next((trace for reply, trace in model.traces if reply is member.reply), None)
            if trace is not None:
                trace.record_reward("last_population", reward)
                trace.record_metrics({"population": member.t, "right": member.right})


class Scores(Callback):
    """Keeps every member, with its score."""

    def __init__(self) -> None:
        self.members: list[Member] = []

    def scored(self, question: int, member: Member) -> None:
        self.members.append(member)


class Agent(AlwaysOpen):
    """An agent of verifiers as the engine's connection to a model.

    Attributes:
        traces: Each reply and the trace that it is from.
    """

    name: str = "verifiers"
    concurrency: int = 1_000_000
    """verifiers has its own bounds."""
    context: int | None = None

    def __init__(self, task: PromptTask, agent: vf.Agent) -> None:
        self.traces: list[tuple[Reply, vf.Trace]] = []
        self._task = task.defer_scoring()
        self._agent = agent

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        return text_bytes(messages)

    async def sample(self, request: Request) -> Reply:
        prompt = [_MESSAGES[message["role"]](content=message["content"]) for message in request.messages]
        trace = await self._agent.run(self._task.with_data(prompt=prompt))
        if not trace.ok:
            raise ModelError(trace.last_error.message if trace.last_error else str(trace.stop_condition))
        reply = response(trace)
        self.traces.append((reply, trace))
        return reply


def response(trace: vf.Trace) -> Reply:
    """The reply that a trace ends with; an empty one where the model has not answered."""
    messages = [message.model_dump(include={"content", "reasoning_content"}) for message in trace.assistant_messages]
    return reply_of(messages[-1:] or "", cut=trace.is_truncated)
