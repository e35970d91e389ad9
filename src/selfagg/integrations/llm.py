"""Simon Willison's llm: ``llm -m selfagg -o model openai:NAME -o n 8 "..."``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import llm

import selfagg
from selfagg.integrations import conversation


@llm.hookimpl
def register_models(register: Callable[..., None]) -> None:
    """Add the model ``selfagg``."""
    register(SelfaggModel())


class SelfaggModel(llm.Model):
    """A model for llm that deliberates on each prompt; the model to sample from is an option."""

    model_id = "selfagg"

    class Options(llm.Options):
        """The options for `selfagg.solve`."""

        model: str = "local"
        base_url: str | None = None
        method: str = "rsa"
        n: int = 8
        k: int | None = None
        t: int | None = None
        max_tokens: int | None = None

    def execute(
        self, prompt: llm.Prompt, stream: bool, response: llm.Response, conversation_: Any = None, **rest: Any
    ) -> Iterator[str]:
        """Answer a prompt; the text comes whole."""
        told = prompt.options
        before = conversation_ or rest.get("conversation")
        turns: list[dict[str, Any]] = [{"role": "system", "content": prompt.system}] if prompt.system else []
        for earlier in before.responses if before else ():
            turns += [{"role": "user", "content": earlier.prompt.prompt}]
            turns += [{"role": "assistant", "content": earlier.text()}]
        how = {name: getattr(told, name) for name in ("model", "base_url", "method", "n", "k", "t")}
        question = conversation([*turns, {"role": "user", "content": prompt.prompt}])
        result = selfagg.solve(question, sampling=selfagg.Sampling(max_tokens=told.max_tokens), **how)
        response.set_usage(input=result.usage.prompt, output=result.usage.completion, details={"calls": result.calls})
        yield result.text
