"""Self-consistency with five samples through three servers that offer it: selfagg, optillm and its-hub.

Each stands before the same backend and is asked by the same client. Before the null server, whose every reply costs
the same 5,000 and 1,200 tokens, what a server tells of its tokens can be held against what was spent; before the
embedded model the replies are real. Five samples, since optillm's method takes no other number.

optillm and its-hub want packages that selfagg's own environment need not have. Give them one of theirs,

    python -m venv peers && peers/bin/pip install optillm 'its_hub[iaas,lm]'
    PEERS=peers/bin python -m benchmarks peers

and without ``PEERS`` they are looked for on the path.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from openai import APIError, AsyncOpenAI, DefaultAioHttpClient
from openai.types import CompletionUsage
from rich.table import Table

from benchmarks.null_server import MODEL as NULL_MODEL
from benchmarks.null_server import null_server
from benchmarks.printing import show

SAMPLES = 5
DELAY_S = 0.05
SPENT = (5_000 * SAMPLES, 1_200 * SAMPLES)
"""Prompt and completion tokens of one answer from the null server."""
REPEATS = 3
START_S = 90.0
LLAMA_SERVER = Path(__file__).parent.parent / "tests" / "servers" / "llama_cpp.py"


@dataclass(frozen=True)
class Load:
    """What a client asks for, and how hard.

    Attributes:
        model: The backend's name of its model.
        clients: Requests at once.
        answers: Requests of one measurement.
        max_tokens: Bound on one generation.
    """

    model: str
    clients: int
    answers: int
    max_tokens: int


@dataclass(frozen=True)
class Peer:
    """One server: how it is started before a backend, and asked for self-consistency.

    Attributes:
        name: Its name.
        command: The command, where ``{backend}`` and ``{port}`` stand for the backend's base URL and its own port.
        model: The model that a request names, where ``{model}`` stands for the backend's.
        body: What a request says beyond the protocol.
        settings: What is posted to ``/configure`` before the first request; nothing for most.
    """

    name: str
    command: Sequence[str]
    model: str = "{model}"
    body: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] | None = None


PEERS = (
    Peer(
        "selfagg",
        ("selfagg", "serve", "--model", "openai:{model}", "--base-url", "{backend}", "--port", "{port}"),
        body={"rsa": {"method": "majority", "n": SAMPLES}},
    ),
    Peer(
        "optillm",
        ("optillm", "--base-url", "{backend}", "--port", "{port}", "--log", "error"),
        model="self_consistency-{model}",
    ),
    Peer(
        "its-hub",
        ("its-iaas", "--port", "{port}", "--log-level", "ERROR"),
        body={"budget": SAMPLES},
        settings={
            "endpoint": "{backend}",
            "api_key": "none",
            "model": "{model}",
            "alg": "self-consistency",
            "regex_patterns": [r"\\boxed\{([^}]*)\}"],
            "budget": SAMPLES,
        },
    ),
)


def executable(name: str) -> str | None:
    """Where a peer's command is: beside this Python, in ``PEERS``, or on the path."""
    folders = (str(Path(sys.executable).parent), os.environ.get("PEERS", ""), os.environ.get("PATH", ""))
    return shutil.which(name, path=os.pathsep.join(filter(None, folders)))


@contextmanager
def served(peer: Peer, program: str, backend: str, model: str) -> Iterator[str]:
    """A peer at work before a backend; its base URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = {"backend": backend, "port": str(port), "model": model}
    command = [program, *(word.format(**given) for word in peer.command[1:])]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OPENAI_API_KEY": "none"},
    )
    try:
        until_it_listens(process, port)
        if peer.settings:
            settings = {
                key: value.format(**given) if key in ("endpoint", "model") else value
                for key, value in peer.settings.items()
            }
            httpx2.post(f"http://127.0.0.1:{port}/configure", json=settings).raise_for_status()
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} does not listen")


@dataclass(frozen=True)
class Measured:
    """One measurement: answers a second, the seconds of each, the tokens told for one, and how many failed."""

    rate: float
    latencies: Sequence[float]
    told: tuple[int | None, int | None] | None
    failed: int


async def measure(peer: Peer, url: str, load: Load) -> Measured:
    """As many answers as the load says, so many at a time."""
    latencies: list[float] = []
    usages: list[CompletionUsage | None] = []
    failed = 0
    client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0, http_client=DefaultAioHttpClient(timeout=300))
    waiting = iter(range(load.answers))

    async def one_client() -> None:
        nonlocal failed
        for number in waiting:
            begun = time.perf_counter()
            try:
                reply = await client.chat.completions.create(
                    model=peer.model.format(model=load.model),
                    messages=[{"role": "user", "content": f"How many ships are {number} and 3? End with \\boxed{{}}."}],
                    temperature=1.0,
                    max_tokens=load.max_tokens,
                    extra_body=dict(peer.body),
                )
            except APIError:
                failed += 1
                continue
            latencies.append(time.perf_counter() - begun)
            usages.append(reply.usage)

    async with client:
        begun = time.perf_counter()
        await asyncio.gather(*(one_client() for _ in range(load.clients)))
        seconds = time.perf_counter() - begun
    usage = usages[0] if usages else None
    told = (usage.prompt_tokens, usage.completion_tokens) if usage else None
    return Measured(len(latencies) / seconds, latencies, told, failed)


def compared(backend: str, load: Load, title: str, spent: tuple[int, int] | None) -> Table:
    """A row a peer: medians over the repeats, and answers a second as a share of selfagg's."""
    columns = ["server", "answers/s", "of selfagg's", "median latency", "failed"]
    table = Table(*columns, *(["tokens told", "of those spent"] if spent else []), title=title)
    own: float | None = None
    for peer in PEERS:
        program = executable(peer.command[0])
        if program is None:
            table.add_row(peer.name, "not installed")
            continue
        with served(peer, program, backend, load.model) as url:
            asyncio.run(measure(peer, url, Load(load.model, 1, 1, load.max_tokens)))  # warm
            runs = [asyncio.run(measure(peer, url, load)) for _ in range(REPEATS)]
        rate = statistics.median(run.rate for run in runs)
        own = own or rate
        all_latencies = [latency for run in runs for latency in run.latencies]
        latency = f"{statistics.median(all_latencies):.2f} s" if all_latencies else ""
        row = [peer.name, f"{rate:.2f}", f"{rate / own:.2f}", latency, str(sum(run.failed for run in runs))]
        if spent:
            row += tokens(runs[0].told, spent)
        table.add_row(*row)
    return table


def tokens(told: tuple[int | None, int | None] | None, spent: tuple[int, int]) -> list[str]:
    if told is None:
        return ["none", ""]
    words = ("none" if count is None else f"{count:,}" for count in told)
    return [" + ".join(words), f"{sum(count or 0 for count in told) / sum(spent):.2f}"]


def main() -> None:
    with null_server(DELAY_S) as backend:
        load = Load(NULL_MODEL, clients=16, answers=384, max_tokens=4096)
        title = f"Self-consistency, N = {SAMPLES}, 16 clients; null server, {1000 * DELAY_S:.0f} ms a reply"
        show(compared(backend, load, f"{title}; {SPENT[0]:,} + {SPENT[1]:,} tokens spent", SPENT))
    command = [sys.executable, str(LLAMA_SERVER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as llama:
        assert llama.stdout is not None
        backend = f"{llama.stdout.readline().strip()}/v1"
        load = Load("smollm2", clients=2, answers=12, max_tokens=32)
        show(compared(backend, load, f"The same on SmolLM2-135M in llama.cpp, N = {SAMPLES}, 2 clients", None))
        assert llama.stdin is not None
        llama.stdin.close()
