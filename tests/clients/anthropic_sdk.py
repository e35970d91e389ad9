"""The official Anthropic client."""

from __future__ import annotations

from typing import Any

import anthropic
from checks import MODEL, QUESTION, URL, WEATHER, check, deliberated, main, same
from pydantic import BaseModel

client = anthropic.Anthropic(base_url=URL, api_key="none", max_retries=0)
asked: Any = {"model": MODEL, "max_tokens": 500, "messages": [{"role": "user", "content": QUESTION}]}
SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


class Report(BaseModel):
    city: str
    degrees: int


@check
def messages() -> None:
    answer: Any = client.messages.create(**asked, system="Be brief.")
    deliberated(answer.content[0].text)
    same((answer.usage.input_tokens, answer.usage.output_tokens), (11, 7))


@check
def stream() -> None:
    with client.messages.stream(**asked) as events:
        deliberated("".join(events.text_stream))
        same(events.get_final_message().stop_reason, "end_turn")


@check
def thinking() -> None:
    thought: Any = {"type": "enabled", "budget_tokens": 1024}
    with client.messages.stream(**(asked | {"max_tokens": 2000}), thinking=thought) as events:
        blocks: Any = events.get_final_message().content
    same([block.type for block in blocks], ["thinking", "text"])
    assert "population 1" in blocks[0].thinking


@check
def tools() -> None:
    tool: Any = {"name": "get_weather", "description": "Weather of a city.", "input_schema": SCHEMA}
    turns: list[Any] = [{"role": "user", "content": WEATHER}]
    said = client.messages.create(model=MODEL, max_tokens=500, messages=turns, tools=[tool])
    call: Any = next(block for block in said.content if block.type == "tool_use")
    same((call.input, said.stop_reason), ({"city": "Paris"}, "tool_use"))
    result: Any = {"type": "tool_result", "tool_use_id": call.id, "content": "12 degrees"}
    turns += [{"role": "assistant", "content": said.content}, {"role": "user", "content": [result]}]
    answer: Any = client.messages.create(model=MODEL, max_tokens=500, messages=turns, tools=[tool])
    same(answer.content[0].text, "The tool says 12 degrees.")


@check
def structured() -> None:
    answer: Any = client.messages.parse(**asked, output_format=Report)
    same(answer.parsed_output, Report(city="Paris", degrees=12))


@check
def count_tokens() -> None:
    told = client.messages.count_tokens(model=MODEL, messages=asked["messages"])
    assert told.input_tokens > 0


main("anthropic")
