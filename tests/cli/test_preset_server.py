"""`--preset paper` samples the whole distribution, whatever a server's checkpoint recommends."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from openai_faults import FaultServer, send

from selfagg.record.record import Record

Run = Callable[..., subprocess.CompletedProcess[str]]
VLLM = os.environ.get("SELFAGG_VLLM")
NEUTRAL = {"temperature": 1.0, "top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}


def texts(run: Run, url: str, questions: Path, record: Path, *more: str) -> list[str]:
    """Eight first samples of the first question."""
    command = ["eval", questions, "--size", "1", "--preset", "paper", "-n", "8", "-k", "1", "-t", "1", *more]
    outcome = run(*command, "--model", "openai:fake", "--base-url", url, "--record", record)
    assert outcome.returncode == 0, outcome.stderr
    with Record(record, read_only=True) as opened:
        return [text for (text,) in opened.query("SELECT text FROM generations")]


async def test_every_field_that_a_checkpoint_may_fill_is_sent(run: Run, questions: Path, tmp_path: Path) -> None:
    async with FaultServer() as server:
        server.models = send({"data": [{"id": "fake", "owned_by": "vllm"}]})
        record = tmp_path / "r.sqlite"
        await asyncio.to_thread(texts, run, server.url, questions, record, "--max-tokens", "64")
        assert [{name: body.get(name) for name in NEUTRAL} for body in server.bodies] == [NEUTRAL] * 8
        server.bodies.clear()
        record = tmp_path / "s.sqlite"
        await asyncio.to_thread(texts, run, server.url, questions, record, "--max-tokens", "64", "--sampling", "server")
        assert not any("top_k" in body or "top_p" in body for body in server.bodies)


@pytest.fixture(scope="module")
def greedy_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real vLLM server of a checkpoint that recommends top_k 1; ``SELFAGG_VLLM`` names vLLM's executable."""
    if not VLLM:
        pytest.skip("SELFAGG_VLLM names no executable of vLLM")
    from tiny_models import save_tiny

    folder = save_tiny(tmp_path_factory.mktemp("vllm") / "tiny", width=64, context=2048)
    (folder / "generation_config.json").write_text(json.dumps({"do_sample": True, "top_k": 1, "eos_token_id": 1}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [VLLM, "serve", str(folder), "--served-model-name", "fake", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--max-model-len", "2048", "--dtype", "float32", "--enforce-eager"]
    calm = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    log = tmp_path_factory.mktemp("log") / "vllm.log"
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **calm}) as server:
        try:
            _until_ready(f"http://127.0.0.1:{port}/health", server, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()


def _until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(1200):
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"vLLM did not start: {log.read_text()[-2000:]}")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_eight_samples_of_a_checkpoint_that_recommends_top_k_1(
    greedy_checkpoint: str, run: Run, questions: Path, tmp_path: Path
) -> None:
    few = ("--max-tokens", "32")
    assert len(set(texts(run, greedy_checkpoint, questions, tmp_path / "paper.sqlite", *few))) == 8
    recommended = texts(run, greedy_checkpoint, questions, tmp_path / "server.sqlite", *few, "--sampling", "server")
    assert len(set(recommended)) <= 2
