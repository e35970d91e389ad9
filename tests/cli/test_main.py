"""The command itself: version, help, quick start, ``python -m selfagg``, ``selfagg models``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import selfagg

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"selfagg {selfagg.__version__}\n"


def test_python_m(environment: dict[str, str]) -> None:
    call = [sys.executable, "-m", "selfagg", "--version"]
    outcome = subprocess.run(call, env=environment, capture_output=True, text=True)
    assert outcome.stdout == f"selfagg {selfagg.__version__}\n"


@pytest.mark.parametrize("command", ["solve", "eval", "models"])
def test_help_lists_every_command_and_each_has_its_own(run: Run, command: str) -> None:
    assert command in run("--help").stdout
    outcome = run(command, "--help")
    assert outcome.returncode == 0
    assert "--json" in outcome.stdout


def test_no_arguments_show_the_help(run: Run) -> None:
    outcome = run()
    assert "solve" in outcome.stdout
    assert outcome.stderr == ""


def test_starting_loads_nothing_heavy(environment: dict[str, str]) -> None:
    heavy = {"torch", "pyarrow", "reasoning_gym", "openai", "numpy", "scipy", "sympy", "xllamacpp", "rich"}
    code = "import sys, selfagg.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout
    assert "selfagg" in loaded.split()
    assert not heavy & set(loaded.split())


def test_models_lists_what_can_be_asked(run: Run) -> None:
    found = {entry["name"]: entry for entry in json.loads(run("models", "--json").stdout)["models"]}
    assert {"local", "local:PATH.gguf", "openai:NAME", "simulated:SETTINGS"} <= found.keys()
    assert found["simulated:SETTINGS"]["ready"] is True
    assert found["openai:NAME"]["ready"] is False
    assert "--base-url" in found["openai:NAME"]["note"]
    assert "simulated:SETTINGS" in run("models").stdout


def test_models_says_why_a_server_cannot_be_reached(run: Run) -> None:
    outcome = run("models", "--base-url", "http://127.0.0.1:9/v1", "--json")
    assert outcome.returncode == 0, outcome.stderr
    (entry,) = [entry for entry in json.loads(outcome.stdout)["models"] if entry["name"] == "openai:NAME"]
    assert entry["ready"] is False
    assert "http://127.0.0.1:9/v1" in entry["note"]


def test_models_asks_a_real_server(run: Run, llama_server: str) -> None:
    outcome = run("models", "--json", OPENAI_BASE_URL=llama_server)
    found = {entry["name"]: entry for entry in json.loads(outcome.stdout)["models"]}
    assert found["openai:smollm2"]["ready"] is True
    assert llama_server in found["openai:smollm2"]["note"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_to_a_full_disk_is_told_in_a_sentence(environment: dict[str, str], tmp_path: Path) -> None:
    call = [sys.executable, "-m", "selfagg", "solve", "q", "--model", "simulated:", "-n", "1", "-k", "1", "-t", "1"]
    with Path("/dev/full").open("w") as full:
        outcome = subprocess.run(call, env=environment, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True)
    assert outcome.returncode == 2
    assert "the disk is full" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_mistake_is_told_though_stdout_is_closed(environment: dict[str, str], tmp_path: Path) -> None:
    call = ["sh", "-c", f"exec {sys.executable} -m selfagg eval nosuch.jsonl >&-"]
    outcome = subprocess.run(call, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert outcome.returncode == 2
    assert outcome.stderr.startswith("selfagg: there is no file")
