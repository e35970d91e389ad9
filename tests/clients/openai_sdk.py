"""The official OpenAI client, in all the protocols that it speaks."""

from __future__ import annotations

import time
from typing import Any

import openai
from checks import BASE, MODEL, QUESTION, WEATHER, check, deliberated, main, same
from pydantic import BaseModel

client = openai.OpenAI(base_url=BASE, api_key="none", max_retries=0)
asked: Any = {"model": MODEL, "messages": [{"role": "user", "content": QUESTION}]}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


class Report(BaseModel):
    city: str
    degrees: int


@check
def chat() -> None:
    answer: Any = client.chat.completions.create(**asked)
    deliberated(answer.choices[0].message.content)
    same((answer.usage.total_tokens, answer.usage.selfagg["calls"]), (18, 3))


@check
def stream() -> None:
    with client.chat.completions.stream(**asked) as events:
        assert sum(event.type == "content.delta" for event in events) > 1
        deliberated(events.get_final_completion().choices[0].message.content)


@check
def tools() -> None:
    function: Any = {"name": "get_weather", "description": "Weather of a city.", "parameters": PARAMETERS}
    messages: Any = [{"role": "user", "content": WEATHER}]
    turn: Any = {"model": MODEL, "messages": messages, "tools": [{"type": "function", "function": function}]}
    said: Any = client.chat.completions.create(**turn).choices[0].message
    same(said.tool_calls[0].function.arguments, '{"city": "Paris"}')
    messages += [said, {"role": "tool", "tool_call_id": said.tool_calls[0].id, "content": "12 degrees"}]
    same(client.chat.completions.create(**turn).choices[0].message.content, "The tool says 12 degrees.")


@check
def structured() -> None:
    answer = client.chat.completions.parse(**asked, response_format=Report)
    same(answer.choices[0].message.parsed, Report(city="Paris", degrees=12))


@check
def completions() -> None:
    deliberated(client.completions.create(model=MODEL, prompt=QUESTION).choices[0].text)
    deliberated(
        "".join(
            part.choices[0].text
            for part in client.completions.create(model=MODEL, prompt=QUESTION, stream=True)
            if part.choices
        )
    )


@check
def responses() -> None:
    deliberated(client.responses.create(model=MODEL, input=QUESTION).output_text)
    with client.responses.stream(model=MODEL, input=QUESTION) as events:
        assert sum(event.type == "response.output_text.delta" for event in events) >= 1
        deliberated(events.get_final_response().output_text)


@check
def responses_tools() -> None:
    tool: Any = {"type": "function", "name": "get_weather", "parameters": PARAMETERS, "strict": False}
    items: list[Any] = [{"role": "user", "content": WEATHER}]
    said = client.responses.create(model=MODEL, input=items, tools=[tool])
    call: Any = next(item for item in said.output if item.type == "function_call")
    items += [*said.output, {"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"}]
    same(client.responses.create(model=MODEL, input=items, tools=[tool]).output_text, "The tool says 12 degrees.")


@check
def responses_structured() -> None:
    answer = client.responses.parse(model=MODEL, input=QUESTION, text_format=Report)
    same(answer.output_parsed, Report(city="Paris", degrees=12))


@check
def background() -> None:
    answer = client.responses.create(model=MODEL, input=QUESTION, background=True)
    while answer.status in ("queued", "in_progress"):
        time.sleep(0.1)
        answer = client.responses.retrieve(answer.id)
    deliberated(answer.output_text)


main("openai")
