"""Pydantic AI: its models of the three protocols."""

from __future__ import annotations

from checks import BASE, MODEL, QUESTION, URL, WEATHER, check, deliberated, main, same
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider


class Report(BaseModel):
    city: str
    degrees: int


def speaking_chat() -> OpenAIChatModel:
    return OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=BASE, api_key="none"))


def speaking_responses() -> OpenAIResponsesModel:
    return OpenAIResponsesModel(MODEL, provider=OpenAIProvider(base_url=BASE, api_key="none"))


def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"12 degrees in {city}"


@check
async def chat() -> None:
    deliberated((await Agent(speaking_chat(), instructions="Be brief.").run(QUESTION)).output)


@check
async def stream() -> None:
    async with Agent(speaking_chat()).run_stream(QUESTION) as run:
        deliberated("".join([part async for part in run.stream_text(delta=True)]))
    again = await Agent(speaking_chat()).run(QUESTION, message_history=run.all_messages())
    deliberated(again.output)


@check
async def tools() -> None:
    for model in (speaking_chat(), speaking_responses()):
        same((await Agent(model, tools=[get_weather]).run(WEATHER)).output, "The tool says 12 degrees in Paris.")


@check
async def structured() -> None:
    for form in (Report, NativeOutput(Report)):
        run = await Agent(speaking_chat(), output_type=form).run(QUESTION)
        same(run.output, Report(city="Paris", degrees=12))


@check
async def responses() -> None:
    deliberated((await Agent(speaking_responses()).run(QUESTION)).output)
    async with Agent(speaking_responses()).run_stream(QUESTION) as run:
        deliberated("".join([part async for part in run.stream_text(delta=True)]))


@check
async def messages() -> None:
    model = AnthropicModel(MODEL, provider=AnthropicProvider(base_url=URL, api_key="none"))
    deliberated((await Agent(model).run(QUESTION)).output)
    same((await Agent(model, tools=[get_weather]).run(WEATHER)).output, "The tool says 12 degrees in Paris.")


main("pydantic-ai-slim")
