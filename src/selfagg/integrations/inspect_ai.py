"""Inspect AI: RSA as a solver over any of Inspect's models, and selfagg's connections as a model provider.

inspect eval task.py --model openai/gpt-5-mini --solver selfagg/rsa -S n=8 -S k=4 -S t=3
inspect eval task.py --model selfagg/local -M n=4 -M k=2 -M t=3
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    Model,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    get_model,
    modelapi,
)
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.tool import ToolChoice, ToolInfo

import selfagg
from selfagg.integrations import conversation
from selfagg.types import Kind, Message

_TURNS = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}
_STOPS = {"stop": selfagg.Stop.FINISHED, "max_tokens": selfagg.Stop.LENGTH, "content_filter": selfagg.Stop.FILTERED}


class InspectModel(selfagg.AlwaysOpen):
    """A model of Inspect AI as a connection: its calls stand in Inspect's log and keep to Inspect's limits."""

    def __init__(self, model: Model) -> None:
        self.model, self.name = model, f"inspect:{model}"
        self.concurrency = model.config.max_connections or model.api.max_connections()
        self.context: int | None = None

    async def sample(self, request: selfagg.Request) -> selfagg.Reply:
        """Sample one reply; Inspect tries again what may pass by itself."""
        how = request.sampling
        shared = {name: getattr(how, name) for name in ("temperature", "top_p", "max_tokens")}
        turns = [_TURNS[message["role"]](content=message["content"]) for message in request.messages]
        config = GenerateConfig(**shared, seed=request.seed)
        output = await self.model.generate(list[ChatMessage](turns), config=config)
        if output.error:
            raise selfagg.ModelError(output.error)
        usage = selfagg.Usage(unknown=1)
        if told := output.usage:
            usage = selfagg.Usage(told.total_tokens - told.output_tokens, completion=told.output_tokens)
        stop = _STOPS.get(output.stop_reason, selfagg.Stop.UNKNOWN)
        return selfagg.Reply(output.completion, stop=stop, usage=usage)

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """Count UTF-8 bytes: no byte-level tokenizer makes more tokens of a text."""
        return sum(len(str(message["content"]).encode()) for message in messages)


def _messages(turns: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    return [{"role": turn.role, "content": turn.text} for turn in turns]


@solver
def rsa(n: int = 8, k: int = 4, t: int = 3, kind: Kind = "text", seed: int = 1234) -> Solver:
    """Answer each sample by RSA over the model that Inspect evaluates (arXiv 2509.26626)."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        question = conversation(_messages(state.messages), kind)
        model = InspectModel(get_model())
        result = await selfagg.asolve(question, model=model, method=selfagg.RSA(n=n, k=k, t=t), seed=seed)
        state.output = ModelOutput.from_content(str(model.model), result.text)
        state.messages.append(state.output.message)
        return state

    return solve


@modelapi(name="selfagg")
class SelfaggAPI(ModelAPI):
    """A model provider for Inspect: each generation is one deliberation on a connection of selfagg."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig | None = None,
        **model_args: Any,
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config or GenerateConfig())
        self.settings = model_args

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        """Deliberate on a conversation."""
        if tools:
            words = "selfagg/ takes no tools: use the solver selfagg/rsa, or openai-api/ and selfagg serve"
            raise selfagg.UsageError(words)
        temperature = 1.0 if config.temperature is None else config.temperature
        sampling = selfagg.Sampling(temperature=temperature, max_tokens=config.max_tokens)
        where = {"model": self.model_name, "base_url": self.base_url, "api_key": self.api_key}
        result = await selfagg.asolve(conversation(_messages(input)), sampling=sampling, **where, **self.settings)
        output = ModelOutput.from_content(self.model_name, result.text)
        spent = result.usage
        output.usage = ModelUsage(input_tokens=spent.prompt, output_tokens=spent.completion, total_tokens=spent.total)
        return output
