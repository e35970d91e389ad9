"""A batch: requests of every API in, results and errors out, gone on with after whatever end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import openai
import pytest
from aiohttp import web
from backends import connected, tool_call
from openai.types.chat import ChatCompletion
from openai.types.responses import Response
from openai_faults import FaultServer, completion, hang, refuse, send
from serving import serving
from waiting import until

import selfagg
from selfagg.errors import UsageError
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.record import Record

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
SMALL: Any = {"n": 2, "k": 2, "t": 2}
SIZES: Any = {"n": 2, "k": 2, "t": 2}


def chat(text: str = "2+2?", **more: Any) -> dict[str, Any]:
    return {"model": "fake", "messages": [{"role": "user", "content": text}], **more}


def written(path: Path, *requests: tuple[str, str, Mapping[str, Any]]) -> Path:
    """A file of requests."""
    rows = [{"custom_id": name, "method": "POST", "url": url, "body": body} for name, url, body in requests]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path: Path | None) -> dict[str, Any]:
    """The responses of a file of results, by custom_id."""
    assert path is not None
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(row["error"] is None and row["id"].startswith("batch_req_") for row in rows)
    return {row["custom_id"]: row["response"] for row in rows}


async def test_each_api_answers_in_its_own_form_and_errors_stand_in_their_own_file(tmp_path: Path) -> None:
    source = written(
        tmp_path / "requests.jsonl",
        ("deliberated", CHAT, chat(rsa=SMALL, user="me")),
        ("item", RESPONSES, {"model": "fake", "input": "2+2?", "rsa": SMALL}),
        ("message", "/v1/messages", {"model": "fake:rsa-2-2-2", "max_tokens": 9, "messages": chat()["messages"]}),
        ("texts", "/v1/completions", {"model": "fake:rsa-2-2-2", "prompt": ["a", "b"], "unknown": 1}),
        ("another model", CHAT, chat() | {"model": "gpt-4o"}),
        ("bad sizes", CHAT, chat(rsa={"n": 0})),
        ("streamed", CHAT, chat(stream=True)),
        ("earlier", RESPONSES, {"model": "fake", "input": "2+2?", "previous_response_id": "resp_1"}),
        ("behind", RESPONSES, {"model": "fake", "input": "2+2?", "background": True}),
    )
    async with FaultServer() as backend:
        done = await selfagg.abatch(source, tmp_path / "results.jsonl", model=connected(backend.url), **SIZES)
        assert len(backend.bodies) == 3 + 3 + 3 + 2 * 3
    assert (done.requests, done.before, done.failed) == (9, 0, 5)
    told, failed = read(done.out), read(done.errors)
    assert {name: response["status_code"] for name, response in told.items()} == dict.fromkeys(
        ("deliberated", "item", "message", "texts"), 200
    )
    answer: Any = ChatCompletion.model_validate(told["deliberated"]["body"])
    assert (answer.choices[0].message.content, answer.usage.selfagg["populations"]) == ("four", [2, 1])
    item = Response.model_validate(told["item"]["body"])
    assert (item.status, item.output_text, told["item"]["body"]["store"]) == ("completed", "four", False)
    assert told["message"]["body"]["content"] == [{"type": "text", "text": "four"}]
    assert [choice["text"] for choice in told["texts"]["body"]["choices"]] == ["four", "four"]
    assert told["texts"]["headers"]["x-selfagg-ignored"] == "unknown"
    statuses = {name: response["status_code"] for name, response in failed.items()}
    assert statuses == {"another model": 404, "bad sizes": 400, "streamed": 400, "earlier": 400, "behind": 400}
    assert failed["bad sizes"]["body"]["error"]["param"] == "rsa.n"


async def test_plain_requests_pass_as_they_are_and_the_answer_comes_back_as_it_is(tmp_path: Path) -> None:
    odd = completion("four") | {"timings": {"odd": [1.5]}}
    body = chat(rsa=False, seed=None, odd={"a": [1]})
    source = written(tmp_path / "requests.jsonl", ("plain", CHAT, body))
    async with FaultServer(send(odd)) as backend:
        done = await selfagg.abatch(source, tmp_path / "results.jsonl", model=connected(backend.url))
        assert backend.bodies == [{name: value for name, value in body.items() if name != "rsa"}]
    assert read(done.out)["plain"]["body"] == odd
    assert done.errors is None
    assert not (tmp_path / "results.errors.jsonl").exists()


async def test_the_backends_own_refusal_is_an_error_and_is_tried_again(tmp_path: Path) -> None:
    source = written(tmp_path / "r.jsonl", ("a", CHAT, chat(rsa=False)), ("b", CHAT, chat("3+3?", rsa=False)))
    out, errors = tmp_path / "new" / "results.jsonl", tmp_path / "errors.jsonl"
    async with FaultServer(refuse(422, "not like this")) as backend:
        model = connected(backend.url, concurrency=1)
        done = await selfagg.abatch(source, out, errors=errors, model=model)
        assert (done.failed, done.errors, [*read(errors)]) == (1, errors, ["a"])
        assert read(errors)["a"]["body"]["error"]["message"] == "not like this"
        done = await selfagg.abatch(source, out, errors=errors, model=model)
        assert (done.before, done.failed, done.errors) == (1, 0, None)
        assert len(backend.bodies) == 3
        assert [*read(out)] == ["b", "a"]
        assert not errors.exists()


async def test_what_is_answered_is_not_asked_again_and_another_request_is_no_answer(tmp_path: Path) -> None:
    source, out = written(tmp_path / "requests.jsonl", ("a", CHAT, chat())), tmp_path / "results.jsonl"
    async with FaultServer() as backend:
        model = connected(backend.url)
        await selfagg.abatch(source, out, model=model, **SIZES)
        before = out.read_bytes()
        done = await selfagg.abatch(source, out, model=model, **SIZES)
        assert (done.before, len(backend.bodies), out.read_bytes()) == (1, 3, before)
        for rows, sizes in ((("a", CHAT, chat("3+3?")), SIZES), (("a", CHAT, chat()), SIZES | {"t": 1})):
            written(source, rows)
            with pytest.raises(UsageError, match="the result of 'a' is one of another request, model or setting"):
                await selfagg.abatch(source, out, model=model, **sizes)
        assert (len(backend.bodies), out.read_bytes()) == (3, before)


async def test_equal_requests_are_sampled_by_seeds_of_their_own_and_a_given_seed_is_kept(tmp_path: Path) -> None:
    rows = [("a", CHAT, chat()), ("b", CHAT, chat()), ("c", CHAT, chat(seed=7))]
    source = written(tmp_path / "requests.jsonl", *rows)
    seeds: list[dict[str, int]] = []
    for number in range(2):
        done = await selfagg.abatch(
            source, tmp_path / f"{number}.jsonl", model=SimulatedModel(Simulation()), routes={"fake": "rsa-2-2-2"}
        )
        seeds.append({name: told["body"]["usage"]["selfagg"]["seed"] for name, told in read(done.out).items()})
    assert seeds[0] == seeds[1]
    assert seeds[0]["c"] == 7
    assert len(set(seeds[0].values())) == 3


async def test_tools_are_called_in_the_answer(tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
    source = written(tmp_path / "requests.jsonl", ("a", CHAT, chat(tools=[tool], rsa={"n": 1, "k": 1, "t": 1})))
    async with FaultServer(send(tool_call())) as backend:
        done = await selfagg.abatch(source, tmp_path / "results.jsonl", model=connected(backend.url))
    (choice,) = read(done.out)["a"]["body"]["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "add"


async def test_a_batch_says_what_the_server_says(tmp_path: Path) -> None:
    model, body = SimulatedModel(Simulation()), chat(seed=5, rsa=SMALL) | {"model": "simulated:"}
    source = written(tmp_path / "requests.jsonl", ("a", CHAT, body))
    done = await selfagg.abatch(source, tmp_path / "results.jsonl", model=model)
    async with (
        serving(SimulatedModel(Simulation())) as served,
        openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as asking,
    ):
        more = {name: value for name, value in body.items() if name not in ("model", "messages")}
        told = await asking.chat.completions.create(model="simulated:", messages=body["messages"], extra_body=more)
    mine, theirs = read(done.out)["a"]["body"], told.model_dump(exclude_unset=True)
    varying = ("id", "created")
    assert {key: value for key, value in mine.items() if key not in varying} == {
        key: value for key, value in theirs.items() if key not in varying
    }


def test_code_that_is_not_asynchronous(tmp_path: Path) -> None:
    source = written(tmp_path / "requests.jsonl", ("a", CHAT, chat(rsa=SMALL) | {"model": "simulated:"}))
    told: list[tuple[int, int]] = []
    done = selfagg.batch(
        source, tmp_path / "results.jsonl", model="simulated:", told=lambda *counts: told.append(counts)
    )
    assert (done.requests, done.failed, told) == (1, 0, [(1, 0)])


async def test_what_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    source, out = written(tmp_path / "requests.jsonl", ("a", CHAT, chat())), tmp_path / "results.jsonl"
    for expected, more in (
        ("must be three", {"errors": source}),
        ("must be three", {"errors": out}),
        ("there is no setting temperature", {"temperature": 1}),
        ("--route x=y", {"routes": {"x": "y"}}),
        ("n is 0", {"n": 0}),
    ):
        with pytest.raises(UsageError, match=expected):
            await selfagg.abatch(source, out, model="simulated:", **more)
    with pytest.raises(UsageError, match="no result of selfagg batch"):
        await selfagg.abatch(source, written(tmp_path / "precious.jsonl", ("a", CHAT, {})), model="simulated:")
    assert (tmp_path / "precious.jsonl").stat().st_size > 0


class CountingBackend:
    """Answers each call a little later, and counts answers by seed."""

    def __init__(self) -> None:
        self.answered: Counter[int] = Counter()

    async def __call__(self, request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(0.02)
        self.answered[body["seed"]] += 1
        return web.json_response(completion(f"four, by {body['seed']}"))


def started(command: list[str]) -> subprocess.Popen[str]:
    environment = os.environ | {"OPENAI_API_KEY": "none"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


async def test_kill_9_in_the_middle_goes_on_and_pays_for_nothing_twice(tmp_path: Path) -> None:
    rows = [(f"q{number}", CHAT, chat(f"{number}+2?", rsa={"answer": "majority"})) for number in range(4)]
    source, out, record = written(tmp_path / "r.jsonl", *rows), tmp_path / "results.jsonl", tmp_path / "kept.sqlite"
    counting, concurrency = CountingBackend(), 4
    held: list[dict[int, int]] = []  # of each kill: seeds in the record then, and how often each had been answered
    async with FaultServer(*[counting] * 1000) as backend:
        command = [sys.executable, "-m", "selfagg", "batch", str(source), "-o", str(out), "--record", str(record)]
        command += ["--model", "openai:fake", "--base-url", backend.url, "--concurrency", str(concurrency)]
        command += ["-n", "6", "-k", "2", "-t", "4"]
        for least in (20, 60):
            process = await asyncio.to_thread(started, command)
            await until(lambda least=least: sum(counting.answered.values()) >= least, 60)  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.communicate)
            await until(lambda: backend.open == 0)
            with Record(record, read_only=True) as kept:
                held.append({seed: counting.answered[seed] for (seed,) in kept.query("SELECT seed FROM generations")})
        process = await asyncio.to_thread(started, command)
        printed, said = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0, said
    assert "4 of 4 answered" in printed
    told = read(out)
    assert sorted(told) == [name for name, _, _ in rows]
    with Record(record, read_only=True) as kept:
        seeds = [seed for (seed,) in kept.query("SELECT seed FROM generations")]
    assert set(counting.answered) == set(seeds)
    assert len(seeds) == sum(sum(one["body"]["usage"]["selfagg"]["populations"]) for one in told.values())
    # A call that was answered while the process was being killed may be made again; none that the record had.
    assert held[-1]
    for before in held:
        assert {seed: counting.answered[seed] for seed in before} == before


async def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    source, out = written(tmp_path / "r.jsonl", ("a", CHAT, chat())), tmp_path / "results.jsonl"
    async with FaultServer(*[hang] * 100) as backend:
        command = [sys.executable, "-m", "selfagg", "batch", str(source), "-o", str(out), "--model", "openai:fake"]
        process = await asyncio.to_thread(started, [*command, "--base-url", backend.url])
        await until(lambda: backend.open > 0, 60)
        process.send_signal(signal.SIGINT)
        _, said = await asyncio.to_thread(process.communicate)
    assert process.returncode == 130
    assert f"what is answered is in {out}; to go on:" in said
    assert "Traceback" not in said
