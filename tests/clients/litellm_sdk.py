"""LiteLLM: its chat call, and its bridges to the other protocols."""

from __future__ import annotations

from typing import Any

import litellm
from checks import BASE, MODEL, QUESTION, URL, WEATHER, check, deliberated, main, same

MESSAGES = [{"role": "user", "content": QUESTION}]
OPENAI: Any = {"model": f"openai/{MODEL}", "api_base": BASE, "api_key": "none"}


@check
def chat() -> None:
    deliberated(litellm.completion(messages=MESSAGES, **OPENAI).choices[0].message.content)


@check
def stream() -> None:
    parts: Any = litellm.completion(messages=MESSAGES, stream=True, **OPENAI)
    deliberated("".join(part.choices[0].delta.content or "" for part in parts))


@check
def tools() -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": parameters}}
    answer: Any = litellm.completion(messages=[{"role": "user", "content": WEATHER}], tools=[tool], **OPENAI)
    same(answer.choices[0].message.tool_calls[0].function.arguments, '{"city": "Paris"}')


@check
def structured() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    form = {"type": "json_schema", "json_schema": {"name": "report", "schema": schema}}
    same(
        litellm.completion(messages=MESSAGES, response_format=form, **OPENAI).choices[0].message.content,
        '{"city": "Paris"}',
    )


@check
def completions() -> None:
    answer: Any = litellm.text_completion(prompt=QUESTION, **(OPENAI | {"model": f"text-completion-openai/{MODEL}"}))
    deliberated(answer.choices[0].text)


@check
def responses() -> None:
    answer: Any = litellm.responses(input=QUESTION, **OPENAI)
    deliberated(next(item for item in answer.output if item.type == "message").content[0].text)


@check
def messages() -> None:
    answer: Any = litellm.completion(messages=MESSAGES, model=f"anthropic/{MODEL}", api_base=URL, api_key="none")
    deliberated(answer.choices[0].message.content)


main("litellm")
