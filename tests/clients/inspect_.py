"""Inspect AI: tasks through its model provider for OpenAI's APIs, chat completions and Responses."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from checks import BASE, MODEL, QUESTION, WEATHER, check, main, same

os.environ |= {"SELFAGG_BASE_URL": BASE, "SELFAGG_API_KEY": "none", "INSPECT_LOG_DIR": tempfile.mkdtemp()}
from inspect_ai import Task
from inspect_ai import eval as evaluate
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig, ResponseSchema, get_model
from inspect_ai.scorer import includes
from inspect_ai.solver import generate, use_tools
from inspect_ai.tool import tool
from inspect_ai.util import json_schema
from pydantic import BaseModel


class Report(BaseModel):
    city: str
    degrees: int


@tool  # type: ignore[untyped-decorator]
def get_weather() -> Any:
    async def execute(city: str) -> str:
        """Weather of a city.

        Args:
            city: The city.
        """
        return f"12 degrees in {city}"

    return execute


def accuracy(question: str, target: str, *solvers: Any, responses: bool = False) -> float:
    model = get_model(f"openai-api/selfagg/{MODEL}", responses_api=responses, memoize=False)
    task = Task(dataset=[Sample(input=question, target=target)], solver=[*solvers, generate()], scorer=includes())
    (log,) = evaluate(task, model=model, display="none", log_level="error")
    assert log.results, log.error
    value: float = log.results.scores[0].metrics["accuracy"].value
    return value


@check
def chat() -> None:
    same(accuracy(QUESTION, "aggregated"), 1.0)


@check
def tools() -> None:
    same(accuracy(WEATHER, "The tool says 12 degrees in Paris", use_tools(get_weather())), 1.0)


@check
def responses() -> None:
    same(accuracy(QUESTION, "aggregated", responses=True), 1.0)


@check
async def structured() -> None:
    schema = ResponseSchema(name="report", json_schema=json_schema(Report))
    model = get_model(f"openai-api/selfagg/{MODEL}", config=GenerateConfig(response_schema=schema), memoize=False)
    said = await model.generate(QUESTION)
    same(Report.model_validate_json(said.completion), Report(city="Paris", degrees=12))


main("inspect_ai")
