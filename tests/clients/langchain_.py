"""LangChain's ChatOpenAI, and its class of completions."""

from __future__ import annotations

from typing import Any

from checks import BASE, MODEL, QUESTION, WEATHER, check, deliberated, main, same
from langchain_openai import ChatOpenAI, OpenAI
from pydantic import BaseModel


class Report(BaseModel):
    city: str
    degrees: int


def model(**settings: Any) -> Any:
    return ChatOpenAI(model=MODEL, base_url=BASE, api_key="none", max_retries=0, **settings)


@check
def chat() -> None:
    answer = model(extra_body={"rsa": {"n": 2, "k": 2, "t": 3}}).invoke(QUESTION)
    deliberated(answer.content)
    same(answer.usage_metadata["total_tokens"], 18)


@check
def stream() -> None:
    deliberated("".join(part.content for part in model().stream(QUESTION)))


@check
def tools() -> None:
    def get_weather(city: str) -> str:
        """Weather of a city."""
        return f"12 degrees in {city}"

    said = model().bind_tools([get_weather]).invoke(WEATHER)
    same(said.tool_calls[0]["args"], {"city": "Paris"})
    result = {"role": "tool", "tool_call_id": said.tool_calls[0]["id"], "content": "12 degrees"}
    answer = model().bind_tools([get_weather]).invoke([("user", WEATHER), said, result])
    same(answer.content, "The tool says 12 degrees.")


@check
def structured() -> None:
    for method in ("json_schema", "function_calling"):
        answer = model().with_structured_output(Report, method=method).invoke(QUESTION)
        same(answer, Report(city="Paris", degrees=12))


@check
def completions() -> None:
    deliberated(OpenAI(model=MODEL, base_url=BASE, api_key="none", max_retries=0).invoke(QUESTION))


@check
def responses() -> None:
    deliberated(model(use_responses_api=True).invoke(QUESTION).text)


main("langchain-openai")
