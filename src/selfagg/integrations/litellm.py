"""LiteLLM: deliberations without a server, as a custom provider.

litellm.custom_provider_map = [{"provider": "selfagg", "custom_handler": SelfaggLLM()}]
litellm.completion("selfagg/openai:NAME", messages=[...], api_base=URL, n=8, extra_body=...)
"""

from __future__ import annotations

from typing import Any

from litellm import CustomLLM, ModelResponse
from litellm.types.utils import Choices, Message, Usage

import selfagg
from selfagg.integrations import conversation


class SelfaggLLM(CustomLLM):
    """A provider for LiteLLM that answers each completion by one deliberation.

    Attributes:
        settings: Arguments of `selfagg.asolve`: ``method``, ``record``, ``concurrency`` and so on.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.settings = settings

    def completion(self, *args: Any, **call: Any) -> ModelResponse:
        """Answer in code that is not asynchronous."""
        return _filled(call["model_response"], selfagg.solve(conversation(call["messages"]), **self._settings(call)))

    async def acompletion(self, *args: Any, **call: Any) -> ModelResponse:
        """Answer in asynchronous code."""
        result = await selfagg.asolve(conversation(call["messages"]), **self._settings(call))
        return _filled(call["model_response"], result)

    def _settings(self, call: dict[str, Any]) -> dict[str, Any]:
        told = call.get("optional_params") or {}
        sampling = selfagg.Sampling(temperature=told.get("temperature", 1.0), max_tokens=told.get("max_tokens"))
        where = {"base_url": call.get("api_base") or None, "api_key": call.get("api_key") or None}
        return {"model": call["model"], "sampling": sampling, **where, **self.settings}


def _filled(response: ModelResponse, result: selfagg.Result) -> ModelResponse:
    response.choices = [Choices(message=Message(role="assistant", content=result.text), finish_reason="stop")]
    spent = result.usage
    usage = Usage(prompt_tokens=spent.prompt, completion_tokens=spent.completion, total_tokens=spent.total)
    response.usage = usage  # type: ignore[attr-defined]
    return response
