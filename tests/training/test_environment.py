"""The environment of verifiers, run by verifiers' own command against a server.

Where verifiers can be imported, or where SELFAGG_VERIFIERS_PYTHON names a Python that has verifiers 0.4, selfagg,
math-verify, reasoning-gym and pyarrow. Nothing is uploaded: ``--no-push``, and programs run on this machine.
"""

import asyncio
import importlib.util
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from openai_faults import FaultServer, completion

from selfagg.record.rows import question_body
from selfagg.training.reward import Rewards, reply_of
from selfagg.training.rows import TrainingRow, write_rows
from selfagg.types import Question

PYTHON = os.environ.get("SELFAGG_VERIFIERS_PYTHON") or (sys.executable if importlib.util.find_spec("verifiers") else "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="no verifiers here, and SELFAGG_VERIFIERS_PYTHON is not set")


def row(i: int, question: Question, *, shown: bool = False) -> TrainingRow:
    candidates = " One candidate says 1, another 2." if shown else ""
    prompt = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": question.text + candidates})
    counts = (True, 2, 1) if shown else (False, 0, -1)
    return TrainingRow("selfagg/sums", prompt, "math", "", i, "train", question.id, question_body(question), *counts)


def sums(count: int) -> list[Question]:
    return [Question(f"sum-{i}", f"What is {i} + {i}?", "math", gold=str(2 * i)) for i in range(count)]


@dataclass(frozen=True)
class Trace:
    """What verifiers wrote of one run of the agent."""

    reply: str
    cut: bool
    rewards: dict[str, float]
    metrics: dict[str, float]
    question: dict[str, Any]
    errors: str
    sent: list[dict[str, str]]


async def evaluate(data: Path, out: Path, url: str, model: str, *options: str) -> list[list[Trace]]:
    """The traces of each episode, as ``vf-eval`` writes them."""
    command = ["-c", "from verifiers.v1.cli.eval.main import main; main()", "selfagg-v1"]
    asked = ["--env.taskset.data", str(data), "--model", model, *options]
    fixed = ["--client.base-url", url, "--no-push", "--no-rich", "--output-dir", str(out), "--run.dir", "run"]
    environment = os.environ | {"OPENAI_API_KEY": "none", "PRIME_API_KEY": "none", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2] / "examples" / "verifiers")
    process = await asyncio.create_subprocess_exec(
        PYTHON,
        *command,
        *asked,
        *fixed,
        env=environment,
        cwd=data,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    traces = out / "run" / "traces.jsonl"
    assert traces.exists(), said.decode()
    return [[trace_of(one) for one in json.loads(line)["traces"]] for line in traces.read_text().splitlines()]


def trace_of(trace: Mapping[str, Any]) -> Trace:
    messages = [node["message"] for node in trace["nodes"]]
    return Trace(
        reply=messages[-1].get("content") or "",
        cut=trace["calls"][-1]["finish_reason"] == "length",
        rewards={name: reward["score"] for name, reward in trace["rewards"].items() if reward},
        metrics=trace["metrics"],
        question=trace["task"]["data"]["info"],
        errors=" ".join(error["message"] for error in trace["errors"]),
        sent=[{"role": message["role"], "content": message["content"]} for message in messages[:-1]],
    )


async def even_sums(request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
    """Knows the sums of even numbers; is right about the others once it sees candidates."""
    text = body["messages"][-1]["content"]
    number = int(re.findall(r"What is (\d+)", text)[-1])
    known = number % 2 == 0 or "candidate" in text
    answer = completion(rf"<think>Hm, \boxed{{1}}.</think><answer>\boxed{{{number + known * number}}}</answer>")
    return web.json_response(answer | {"id": "1", "created": 1})  # verifiers insists on them


async def test_rows_are_answered_once_and_rewarded(tmp_path: Path) -> None:
    questions = sums(4)
    broken = replace(questions[2], id="broken", kind="reasoning_gym", data={"task": "no_such_task", "entry": {}})
    rows = [row(i, question, shown=i == 3) for i, question in enumerate(questions)]
    write_rows(tmp_path, "train", [*rows, row(4, broken)])
    async with FaultServer(rate=1.0, kinds=[even_sums]) as server:
        episodes = await evaluate(tmp_path, tmp_path / "out", server.url, "fake", "--sampling.temperature", "1.0")
    found = {trace.question["id"]: trace for [trace] in episodes}
    assert {name: trace.rewards for name, trace in found.items()} == {
        "sum-0": {"right": 1.0},
        "sum-1": {"right": 0.0},
        "sum-2": {"right": 1.0},
        "sum-3": {"right": 1.0},
        "broken": {},
    }
    assert found["sum-3"].metrics == {"aggregation": 1.0, "k": 2.0, "c": 1.0}
    assert found["sum-3"].sent == [dict(message) for message in rows[3].prompt]
    assert "this response gets no reward: question broken" in found["broken"].errors
    assert [body["temperature"] for body in server.bodies] == [1.0] * 5


async def test_an_episode_is_the_whole_of_rsa(tmp_path: Path) -> None:
    write_rows(tmp_path, "train", [row(0, sums(4)[3])])
    rsa = ("--env.n", "3", "--env.k", "2", "--env.t", "3")
    async with FaultServer(rate=1.0, kinds=[even_sums]) as server:
        [traces] = await evaluate(tmp_path, tmp_path / "out", server.url, "fake", *rsa)
    assert sorted((trace.metrics["population"], trace.metrics["right"]) for trace in traces) == [
        *[(1.0, 0.0)] * 3,
        *[(2.0, 1.0)] * 3,
        *[(3.0, 1.0)] * 3,
    ]
    assert [trace.rewards for trace in traces] == [{"last_population": 1.0}] * 9
    aggregations = [trace.sent[-1]["content"] for trace in traces if trace.metrics["population"] > 1]
    assert all("candidate" in text and "Hm" not in text for text in aggregations)  # reasoning is not passed on


async def test_a_real_model_is_rewarded_as_its_texts_deserve(tmp_path: Path, llama_server: str) -> None:
    questions = sums(6)
    write_rows(tmp_path, "train", [row(i, question) for i, question in enumerate(questions)])
    options = ("--sampling.max-tokens", "24", "--sampling.temperature", "1.0", "-r", "2")
    episodes = await evaluate(tmp_path, tmp_path / "out", llama_server, "smollm2", *options)
    assert len(episodes) == 12
    for [trace] in episodes:
        reward = await Rewards().reward(trace.question, reply_of(trace.reply, cut=trace.cut))
        assert trace.rewards == {"right": reward.value}
