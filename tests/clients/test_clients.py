"""Real clients, as they are published, against `selfagg serve` in front of a simulated model server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "clients.md"
CAPABILITIES = ("chat", "stream", "tools", "structured", "responses", "messages", "completions")


@dataclass(frozen=True)
class Client:
    """A client to try.

    Attributes:
        title: Its row in docs/clients.md.
        script: The file that tries it and prints one line of JSON.
        packages: What pip or npm installs for it.
        checks: The checks that must pass, separated by spaces; those in `CAPABILITIES` are columns of the table.
    """

    title: str
    script: str
    packages: tuple[str, ...]
    checks: str


CLIENTS = (
    Client(
        "openai (Python)",
        "openai_sdk.py",
        ("openai",),
        "chat stream tools structured completions responses responses_tools responses_structured background",
    ),
    Client(
        "anthropic (Python)",
        "anthropic_sdk.py",
        ("anthropic",),
        "messages stream thinking tools structured count_tokens",
    ),
    Client("LiteLLM", "litellm_sdk.py", ("litellm",), "chat stream tools structured completions responses messages"),
    Client(
        "OpenAI Agents (Python)",
        "openai_agents.py",
        ("openai-agents",),
        "responses stream tools tools_deliberated structured chat",
    ),
    Client(
        "Pydantic AI",
        "pydantic_ai_.py",
        ("pydantic-ai-slim[openai,anthropic]",),
        "chat stream tools structured responses messages",
    ),
    Client("LangChain", "langchain_.py", ("langchain-openai",), "chat stream tools structured completions responses"),
    Client(
        "LlamaIndex",
        "llama_index_.py",
        ("llama-index-llms-openai-like",),
        "completions chat stream tools structured",
    ),
    Client("DSPy", "dspy_.py", ("dspy",), "chat stream responses"),
    Client("Inspect AI", "inspect_.py", ("inspect-ai", "openai"), "chat tools responses structured"),
    Client("llm", "llm_.py", ("llm",), "chat stream structured tools"),
    Client(
        "openai (JavaScript)",
        "openai_sdk.mjs",
        ("openai",),
        "chat stream tools structured completions responses background",
    ),
    Client("anthropic (JavaScript)", "anthropic_sdk.mjs", ("@anthropic-ai/sdk",), "messages stream tools structured"),
    Client(
        "Vercel AI SDK",
        "vercel_ai.mjs",
        ("ai", "@ai-sdk/openai", "zod"),
        "chat responses stream tools structured completions",
    ),
    Client(
        "OpenAI Agents (JavaScript)",
        "openai_agents.mjs",
        ("@openai/agents", "openai", "zod"),
        "responses stream tools structured chat",
    ),
    Client("Codex CLI", "codex.mjs", ("@openai/codex",), "responses stream tools structured second_turn"),
)


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """Base URL of `selfagg serve`, RSA with 2/2/2, in front of the simulated server; all are processes of their own."""
    backend = subprocess.Popen(
        [sys.executable, str(HERE / "backend.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert backend.stdin
    assert backend.stdout
    model = f"{backend.stdout.readline().strip()}/v1"
    command = [sys.executable, "-m", "selfagg", "serve", "--model", "openai:simulated-7b", "--base-url", model]
    server = subprocess.Popen(
        [*command, *["--port", "0", "-n", "2", "-k", "2", "-t", "2"]], stderr=subprocess.PIPE, text=True
    )
    assert server.stderr
    try:
        line = server.stderr.readline()
        assert "selfagg serves" in line, line
        yield line.split()[-1]
    finally:
        server.terminate()
        log = server.communicate(timeout=60)[1]
        backend.communicate(timeout=60)
    assert "Traceback" not in log, log


@pytest.mark.slow  # downloads each client
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.title)
def test_a_client_as_it_is_published(client: Client, base: str, tmp_path: Path) -> None:
    command = _installed(client, tmp_path)
    for file in (client.script, "checks.py", "checks.mjs"):
        shutil.copy(HERE / file, tmp_path)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ANTHROPIC_"))}
    environment |= {"HOME": str(tmp_path), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    done = subprocess.run(
        [*command, client.script, base], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"version"')]
    assert lines, done.stderr
    told: dict[str, Any] = json.loads(lines[-1])
    print(client.title, told["version"], *told["passed"])
    assert not told["failed"]
    assert sorted(told["passed"]) == sorted(client.checks.split())


def _installed(client: Client, folder: Path) -> list[str]:
    """Return the command that runs a script with the client's packages, which are installed into ``folder``."""
    if client.script.endswith(".py"):
        subprocess.run([sys.executable, "-m", "venv", "env"], cwd=folder, check=True)
        python = str(folder / "env" / "bin" / "python")
        _install([python, "-m", "pip", "install", "--quiet", *client.packages], folder)
        return [python]
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    _install([npm, "install", "--no-audit", "--no-fund", *client.packages], folder)
    return [node]


def _install(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot install {command[-1]}: {done.stderr.strip().splitlines()[-1][:200]}")


def test_the_table_of_the_docs_is_what_the_tests_run() -> None:
    rows = [line.split("|")[1:-1] for line in DOCS.read_text().splitlines() if line.startswith("|")]
    table = {cells[0].strip(): [cell.strip() for cell in cells[2:]] for cells in rows if len(cells) == 9}
    assert table.pop("client") == list(CAPABILITIES)
    for client in CLIENTS:
        marks = ["yes" if name in client.checks.split() else "" for name in CAPABILITIES]
        assert table[client.title] == marks, client.title
