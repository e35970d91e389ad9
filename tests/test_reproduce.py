"""The reproduce script: its dry run, the paper's sizes on a simulated model, and on a server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from openai_faults import FaultServer, fine, refuse

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "reproduce.sh"
CLOSING = " Let's think step by step and output the final answer within \\boxed{}."
METHODS = ["rsa n=16 k=4 t=10", "majority n=160 t=1", "self-refine n=16 t=10", "rejection n=160 t=1",
           "one-step n=16 k=4 t=2", "single n=16 t=1"]  # fmt: skip

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two questions in the authors' form."""
    rows = [
        {
            "data_source": "MathArena/aime_2025",
            "prompt": [{"role": "user", "content": f"What is {n} + {n}?{CLOSING}"}],
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": str(2 * n)},
        }
        for n in (3, 4)
    ]
    file = tmp_path / "aime25.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def reproduce(data: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    executables = {"SELFAGG": str(Path(sys.executable).with_name("selfagg")), "PYTHON": sys.executable}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    command = ["bash", str(SCRIPT), *arguments]
    return subprocess.run(
        command,
        cwd=data.parent,
        env=environment | executables | {"DATA": str(data)} | settings,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_dry_run_tells_commands_calls_and_gpu_hours(data: Path) -> None:
    told = reproduce(data, "--dry-run", "aime25", "Qwen/Qwen3-4B-Instruct-2507", INSTRUCTION="file")
    assert told.returncode == 0, told.stderr
    assert "vllm serve Qwen/Qwen3-4B-Instruct-2507" in told.stdout
    assert "--generation-config vllm" in told.stdout
    assert re.search(r"all, first samples shared +624 +4,992 ", told.stdout)
    assert re.search(r"GPU hours: \d+ of one H100", told.stdout)
    assert not (data.parent / "runs").exists()


def test_the_whole_experiment_on_a_simulated_model(data: Path) -> None:
    told = reproduce(data, "aime25", "simulated:p=0.5,rescue=0.1", "out", SIZE="1")
    assert told.returncode == 0, told.stderr
    found = json.loads((data.parent / "out" / "compare.json").read_text())
    assert [entry["label"] for entry in found["entries"]] == METHODS
    assert all(len(entry["by_seed"]) == 4 for entry in found["entries"])
    assert [entry["cost"]["calls"] for entry in found["entries"]] == [160, 160, 160, 320, 32, 16]
    rows = told.stdout.splitlines()
    here = 100 * found["entries"][0]["accuracy"]
    rsa = next(row for row in rows if row.startswith("rsa n=16"))
    assert re.search(rf"73\.2 \+- 2\.2 +{here:.1f} \+- .* {here - 73.18:+.1f} .* quoted", rsa)
    assert re.search(r"^majority n=160 t=1 +- +", "\n".join(rows), re.MULTILINE)
    assert "SIMULATED" in told.stdout
    assert "GPU hours" in told.stdout
    for name in ("figures.pdf", "accuracy.pdf", "cost.pdf", "report.html", "table.txt"):
        assert (data.parent / "out" / name).stat().st_size


async def test_a_server_that_runs_already_and_a_run_that_goes_on_where_it_stopped(data: Path) -> None:
    async with FaultServer(*[fine] * 60, rate=1.0, kinds=[refuse(401, "no such key")]) as server:
        settings = {"OPENAI_BASE_URL": server.url, "METHODS": "rsa,single", "SEEDS": "1", "SIZE": "1"}
        stopped = await asyncio.to_thread(reproduce, data, "aime25", "fake", "out", **settings)
        assert stopped.returncode == 2
        assert "no such key; 60 generations are kept in out/records" in stopped.stderr
        assert not (data.parent / "out" / "table.txt").exists()
        asked, server.rate = server.calls, 0.0
        told = await asyncio.to_thread(reproduce, data, "aime25", "fake", "out", **settings)
        assert told.returncode == 0, told.stderr
        assert server.calls - asked == 160 - 60
    assert "aime25, fake, 1 questions, 1 seeds" in told.stdout


def test_usage_and_failures(data: Path) -> None:
    assert reproduce(data, "aime25").returncode == 2
    assert "BENCHMARK MODEL" in reproduce(data).stderr
    told = reproduce(data, "aime26", "simulated:", "out")
    assert told.returncode == 2
    assert "there is no benchmark 'aime26'" in told.stderr
    gone = reproduce(data, "aime25", "no/model", "out", PATH=f"{data.parent}:/usr/bin:/bin")
    assert gone.returncode == 1
    assert "vLLM ended" in gone.stderr


def test_every_reference_names_its_source() -> None:
    reference = json.loads((ROOT / "scripts" / "reference.json").read_text())
    keys = [(r["benchmark"], r["model"], r["method"], r.get("k"), r.get("trained", "")) for r in reference["results"]]
    assert len(keys) == len(set(keys)) > 20
    assert all(result["source"] in reference["sources"] for result in reference["results"])
    assert all(0 < result["value"] < 100 for result in reference["results"])
