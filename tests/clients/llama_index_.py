"""LlamaIndex's OpenAILike, which starts with completions."""

from __future__ import annotations

from typing import Any

from checks import BASE, MODEL, QUESTION, WEATHER, check, deliberated, main, same
from llama_index.core import PromptTemplate
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel


class Report(BaseModel):
    city: str
    degrees: int


def model(**settings: Any) -> Any:
    return OpenAILike(model=MODEL, api_base=BASE, api_key="none", max_retries=0, **settings)


@check
def completions() -> None:
    deliberated(model().complete(QUESTION).text)


@check
def chat() -> None:
    deliberated(model(is_chat_model=True).chat([ChatMessage(role="user", content=QUESTION)]).message.content)


@check
def stream() -> None:
    parts = model(is_chat_model=True).stream_chat([ChatMessage(role="user", content=QUESTION)])
    deliberated("".join(part.delta or "" for part in parts))


@check
def tools() -> None:
    def get_weather(city: str) -> str:
        """Weather of a city."""
        return f"12 degrees in {city}"

    asked = model(is_chat_model=True, is_function_calling_model=True)
    tool = FunctionTool.from_defaults(get_weather)
    same(asked.predict_and_call([tool], user_msg=WEATHER).response, "12 degrees in Paris")


@check
def structured() -> None:
    asked = model(is_chat_model=True, is_function_calling_model=True)
    same(asked.structured_predict(Report, PromptTemplate(QUESTION)), Report(city="Paris", degrees=12))


main("llama-index-llms-openai-like")
