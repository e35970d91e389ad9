"""OpenAI Agents with its own settings, which are the Responses API, and with chat completions."""

from __future__ import annotations

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    Runner,
    function_tool,
    set_default_openai_client,
    set_tracing_disabled,
)
from checks import BASE, MODEL, QUESTION, WEATHER, check, deliberated, main, same
from openai import AsyncOpenAI
from pydantic import BaseModel

set_tracing_disabled(True)


class Report(BaseModel):
    city: str
    degrees: int


@function_tool  # type: ignore[untyped-decorator]
def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"12 degrees in {city}"


def connected() -> AsyncOpenAI:
    client = AsyncOpenAI(base_url=BASE, api_key="none", max_retries=0)
    set_default_openai_client(client, use_for_tracing=False)
    return client


def speaking_chat(name: str = MODEL) -> OpenAIChatCompletionsModel:
    return OpenAIChatCompletionsModel(model=name, openai_client=connected())


@check
async def responses() -> None:
    connected()
    deliberated((await Runner.run(Agent(name="a", instructions="Be brief.", model=MODEL), QUESTION)).final_output)


@check
async def stream() -> None:
    connected()
    run = Runner.run_streamed(Agent(name="a", model=MODEL), QUESTION)
    async for _ in run.stream_events():
        pass
    deliberated(run.final_output)
    again = await Runner.run(
        Agent(name="a", model=MODEL), [*run.to_input_list(), {"role": "user", "content": QUESTION}]
    )
    deliberated(again.final_output)


@check
async def tools() -> None:
    connected()
    run = await Runner.run(Agent(name="a", model=MODEL, tools=[get_weather]), WEATHER)
    same(run.final_output, "The tool says 12 degrees in Paris.")


@check
async def tools_deliberated() -> None:
    connected()
    run = await Runner.run(Agent(name="a", model=f"{MODEL}:rsa-2-2-2", tools=[get_weather]), QUESTION)
    deliberated(run.final_output)


@check
async def structured() -> None:
    connected()
    run = await Runner.run(Agent(name="a", model=MODEL, output_type=Report), QUESTION)
    same(run.final_output, Report(city="Paris", degrees=12))


@check
async def chat() -> None:
    deliberated((await Runner.run(Agent(name="a", model=speaking_chat()), QUESTION)).final_output)
    run = await Runner.run(Agent(name="a", model=speaking_chat(), tools=[get_weather]), WEATHER)
    same(run.final_output, "The tool says 12 degrees in Paris.")


main("openai-agents")
