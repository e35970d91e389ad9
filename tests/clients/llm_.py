"""Simon Willison's llm, as a command with a model of its `extra-openai-models.yaml`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import BASE, MODEL, QUESTION, check, deliberated, main, same

HOME = Path(tempfile.mkdtemp())
CARD = {"model_id": "rsa", "model_name": MODEL, "api_base": BASE, "supports_schema": True, "supports_tools": True}
(HOME / "extra-openai-models.yaml").write_text(json.dumps([CARD]))  # JSON is YAML
WEATHER = 'def get_weather(city: str) -> str:\n    "Weather of a city."\n    return f"12 degrees in {city}"\n'


def llm(*arguments: str) -> str:
    command = [sys.executable, "-m", "llm", "-m", "rsa", "--key", "none", *arguments]
    environment = os.environ | {"LLM_USER_PATH": str(HOME)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


@check
def chat() -> None:
    deliberated(llm("--no-stream", QUESTION))


@check
def stream() -> None:
    deliberated(llm(QUESTION))
    deliberated(llm("--continue", QUESTION))


@check
def structured() -> None:
    same(json.loads(llm("--schema", "city, degrees int", QUESTION)), {"city": "Paris", "degrees": 12})


@check
def tools() -> None:
    said = llm("--functions", WEATHER, "Ask get_weather for the weather in Paris.")
    assert "The tool says 12 degrees in Paris." in said, said


main("llm")
