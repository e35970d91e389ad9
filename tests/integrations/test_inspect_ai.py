from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

inspect_ai = pytest.importorskip("inspect_ai")

from inspect_ai import Task, eval  # noqa: A004, E402
from inspect_ai.dataset import Sample  # noqa: E402
from inspect_ai.model import GenerateConfig, ModelAPI, ModelOutput, get_model, modelapi  # noqa: E402
from inspect_ai.scorer import includes  # noqa: E402

from selfagg.integrations.inspect_ai import rsa  # noqa: E402


def _task(**settings: object) -> Task:
    return Task(dataset=[Sample(input="What is 2 + 2?", target="4")], scorer=includes(), **settings)


PROMPTS: list[str] = []


@modelapi(name="constant")
class Constant(ModelAPI):
    """A simulated model of Inspect: it says one sentence, and counts tokens without a download."""

    async def generate(self, input: Any, tools: Any, tool_choice: Any, config: GenerateConfig) -> ModelOutput:  # noqa: A002
        PROMPTS.append(input[-1].text)
        return ModelOutput.from_content(self.model_name, "The answer is 4.")

    async def count_tokens(self, input: Any, config: GenerateConfig | None = None) -> int:  # noqa: A002
        return len(str(input))


def test_rsa_as_a_solver_over_a_model_of_inspect(tmp_path: Path) -> None:
    model = get_model("constant/model")
    (log,) = eval(_task(solver=rsa(n=2, k=2, t=3)), model=model, log_dir=str(tmp_path), display="none")
    assert log.status == "success", log.error
    assert log.results is not None
    assert log.results.scores[0].metrics["accuracy"].value == 1.0
    assert len(PROMPTS) == 5  # two samples, two aggregations, and one that is the answer
    assert PROMPTS[0] == "What is 2 + 2?"
    assert "What is 2 + 2?" in PROMPTS[-1]
    assert PROMPTS[-1].count("The answer is 4.") == 2


def test_a_connection_of_selfagg_as_a_provider(tmp_path: Path) -> None:
    model = get_model("selfagg/simulated:", n=3, k=2, t=2)
    (log,) = eval(_task(), model=model, log_dir=str(tmp_path), display="none")
    assert log.status == "success", log.error
    assert log.samples is not None
    assert log.samples[0].output.completion
    assert log.samples[0].output.usage.total_tokens > 0  # type: ignore[union-attr]
