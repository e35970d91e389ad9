"""The example of a verl run: what its configuration refers to, and its reward function."""

import asyncio
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from selfagg.record.rows import question_body
from selfagg.types import Question

yaml = pytest.importorskip("yaml")

EXAMPLE = Path(__file__).parents[2] / "examples" / "verl"
TEXT = (EXAMPLE / "run.yaml").read_text()


def test_every_value_that_is_referred_to_is_set() -> None:
    own = yaml.safe_load(TEXT)["selfagg"]
    assert {*re.findall(r"\$\{selfagg\.(\w+)\}", TEXT)} == {*own}
    assert own["tokens"] == own["prompt_tokens"] + own["response_tokens"]


def test_it_is_the_papers_setting() -> None:
    run = yaml.safe_load(TEXT)
    assert (run["selfagg"]["prompts"], run["selfagg"]["steps"]) == (256, 300)
    assert run["actor_rollout_ref"]["rollout"]["n"] == 4
    assert float(run["actor_rollout_ref"]["actor"]["optim"]["lr"]) == 1e-6


def test_the_script_is_one() -> None:
    assert subprocess.run(["bash", "-n", EXAMPLE / "run.sh"], check=False).returncode == 0


def test_the_reward_function_that_the_run_names_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    named = yaml.safe_load(TEXT)["reward"]["custom_reward_function"]
    file = EXAMPLE / Path(named["path"]).name
    spec = importlib.util.spec_from_file_location("run_reward", file)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec.loader.exec_module(module)
    assert sys.path[0] == str(EXAMPLE / "antlr")
    info = {"question": question_body(Question("q", "?", "math", gold="4")), "k": 2, "c": 1, "aggregation": True}
    result = asyncio.run(getattr(module, named["name"])("", "\\boxed{4}", "4", info))
    assert result == {"score": 1.0, "aggregation": 1.0, "k": 2.0, "c": 1.0}
