"""Clients as they are, against the server as it is started by hand, with a real model behind it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

QUESTION: Any = [{"role": "user", "content": "What is 2 + 2?"}]
SCRIPT = """
import OpenAI from "openai";
const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "What is 2 + 2?" }];
const asked = { model: "smollm2", messages, max_tokens: 24, rsa: { n: 2, k: 2, t: 2 } };
const whole = await client.chat.completions.create(asked);
const stream = client.chat.completions.stream({ ...asked, stream_options: { include_usage: true } });
let pieces = 0;
for await (const chunk of stream) pieces += chunk.choices[0]?.delta?.content ? 1 : 0;
const last = await stream.finalChatCompletion();
let status = 0;
try { await client.chat.completions.create({ ...asked, rsa: { n: 0 } }); } catch (error) { status = error.status; }
const models = (await client.models.list()).data.map((model) => model.id);
console.log(JSON.stringify({ whole, last, pieces, status, models }));
"""


@pytest.fixture(scope="module")
def served(llama_server: str) -> Iterator[str]:
    """``selfagg serve`` with a llama.cpp server behind it; its base URL."""
    command = [sys.executable, "-m", "selfagg", "serve", "--model", "openai:smollm2", "--base-url", llama_server]
    process = subprocess.Popen([*command, "--port", "0"], stderr=subprocess.PIPE, text=True)
    assert process.stderr
    try:
        line = process.stderr.readline()
        assert "selfagg serves openai:smollm2 at http://127.0.0.1:" in line, line
        yield line.split()[-1]
    finally:
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=40)[1]
    assert process.returncode == 0
    lines = [json.loads(line.partition("INFO ")[2]) for line in rest.splitlines() if "INFO" in line]
    assert any(line["kind"] == "deliberation" and line["calls"] == 3 for line in lines)
    assert "2 + 2" not in rest


def test_the_official_python_client(served: str) -> None:
    with openai.OpenAI(base_url=served, api_key="none", max_retries=0) as client:
        rsa = {"n": 2, "k": 2, "t": 2}
        whole: Any = client.chat.completions.create(
            model="smollm2", messages=QUESTION, max_tokens=24, extra_body={"rsa": rsa}
        )
        assert whole.choices[0].message.content
        assert whole.usage.selfagg["populations"] == [2, 1]
        text, reasoning = "", ""
        usage: Any = None
        for chunk in client.chat.completions.create(
            model="smollm2:rsa-2-2-2",
            messages=QUESTION,
            max_tokens=24,
            stream=True,
            stream_options={"include_usage": True},
        ):
            usage = chunk.usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                reasoning += getattr(choice.delta, "reasoning_content", None) or ""
        assert text
        assert reasoning == "population 1: 1 of 2\npopulation 1: 2 of 2\n"
        assert usage
        assert usage.completion_tokens <= 24 < usage.selfagg["completion_tokens"]


async def test_a_plain_call_is_the_backends_own_reply_field_by_field(served: str, llama_server: str) -> None:
    asked: Any = {
        "model": "smollm2",
        "messages": QUESTION,
        "max_tokens": 8,
        "temperature": 0,
        "seed": 1,
        "logprobs": True,
    }
    replies = []
    for url in (served, llama_server):
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            body = {"rsa": False} if url == served else {}
            replies.append((await client.chat.completions.create(**asked, extra_body=body)).model_dump())
    varying = ("id", "created", "timings", "usage")  # what llama.cpp makes anew, and what it had cached
    mine, theirs = ({name: value for name, value in reply.items() if name not in varying} for reply in replies)
    assert mine == theirs
    assert replies[0].keys() == replies[1].keys()


@pytest.mark.slow  # fetches the client
def test_the_official_javascript_client(served: str, tmp_path: Path) -> None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("node and npm are not installed")
    install = [npm, "install", "--no-audit", "--no-fund", "openai"]
    if subprocess.run(install, cwd=tmp_path, capture_output=True, timeout=100, check=False).returncode:
        pytest.skip("npm cannot fetch the openai package here")
    (tmp_path / "client.mjs").write_text(SCRIPT)
    done = subprocess.run(
        [node, "client.mjs", served], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["whole"]["choices"][0]["message"]["content"]
    assert told["whole"]["usage"]["selfagg"]["calls"] == 3
    assert told["pieces"] > 1
    assert told["last"]["usage"]["selfagg"]["calls"] == 3
    assert told["status"] == 400
    assert told["models"][0] == "smollm2"
