"""A package from outside adds a method, a benchmark, a model and a scorer, to Python and to the command line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import CommandLine

EXAMPLES = Path(__file__).parents[1] / "examples"
SelfAgg = Callable[..., subprocess.CompletedProcess[str]]
ENTRIES = """
[selfagg.methods]
half = own_method:Half
broken = no_such_module:Method
wrong = own_benchmark:SQUARES
rsa = own_method:Half
[selfagg.benchmarks]
squares = own_benchmark:SQUARES
[selfagg.models]
calculator = own_model:connect
[selfagg.scorers]
parity = own_scorer:Parity
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a folder that holds an installed package with the examples in it."""
    for example in EXAMPLES.glob("own_*.py"):
        shutil.copy(example, tmp_path)
    about = tmp_path / "outside-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRIES)
    return tmp_path


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    """Return a folder that holds an installed package with the code of CONTRIBUTING.md."""
    page = (EXAMPLES.parent / "CONTRIBUTING.md").read_text("utf-8")
    (tmp_path / "mine.py").write_text("\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL)))
    about = tmp_path / "mine-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (entries,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (about / "entry_points.txt").write_text(
        re.sub(r'\[project.entry-points."(.*)"\]', r"[\1]", entries).replace('"', "")
    )
    return tmp_path


@pytest.fixture
def selfagg(command_line: CommandLine) -> SelfAgg:
    """Return a function that runs ``selfagg`` where the package is installed."""

    def call(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return command_line.run(arguments, cwd=package, env=os.environ | {"PYTHONPATH": str(package)})

    return call


def test_the_command_line_knows_all_four(selfagg: SelfAgg, package: Path) -> None:
    command = ["eval", "squares", "--size", "3", "--method", "half", "-n", "4", "-k", "2", "-t", "2"]
    done = selfagg(package, *command, "-m", "calculator:0.5", "--base-url", "http://x", "--scorer", "parity", "--json")
    found = json.loads(done.stdout)
    assert (found["method"], found["model"], found["questions"]) == ("half", "calculator:0.5", 3)
    assert (found["calls"], found["missing"]["unscored"]) == (24, 0)
    record = found["record"]
    for reading in (["analyze", record], ["analyse", record], ["report", record], ["replay", record, "-t", "1"]):
        assert selfagg(package, *reading).returncode == 0, reading


def test_the_recipes_work_as_typed(selfagg: SelfAgg, recipes: Path) -> None:
    page = (EXAMPLES.parent / "CONTRIBUTING.md").read_text("utf-8")
    (command,) = re.findall(r"^    selfagg (eval .*--scorer.*)$", page, re.MULTILINE)
    done = selfagg(recipes, *command.split(), "--size", "3", "--json")
    found = json.loads(done.stdout)
    assert (found["method"], found["model"], found["calls"], found["failures"]) == ("twice", "parrot:42", 24, 0)


def test_what_is_registered_is_listed(selfagg: SelfAgg, package: Path) -> None:
    help_text = " ".join(selfagg(package, "--help").stdout.split())
    assert "methods: half, broken, wrong, rsa; benchmarks: squares; models: calculator; scorers: parity" in help_text
    assert "of the package outside" in selfagg(package, "models").stdout


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        ("broken", "the method broken (no_such_module:Method, package outside) cannot be loaded: ModuleNotFoundError"),
        ("wrong", "the method wrong (own_benchmark:SQUARES, package outside) must be a type, not Benchmark"),
        ("hlaf", "there is no method 'hlaf'; did you mean half?"),
    ],
)
def test_what_cannot_be_loaded_is_told(selfagg: SelfAgg, package: Path, method: str, sentence: str) -> None:
    done = selfagg(package, "eval", "squares", "-m", "simulated:", "--method", method)
    assert done.returncode == 2
    assert done.stderr.startswith(f"selfagg: {sentence}")
    assert done.stderr.count("\n") == 1


def test_our_own_names_stay_ours(selfagg: SelfAgg, package: Path) -> None:
    done = selfagg(package, "eval", "squares", "-m", "simulated:", "-n", "2", "-k", "2", "-t", "2", "--json")
    with_order = selfagg(package, "eval", "squares", "-m", "simulated:", "-n", "2", "--order", "prefix", "--dry-run")
    assert json.loads(done.stdout)["method"] == "rsa"
    assert "has no setting" not in with_order.stderr


def test_a_record_of_a_method_that_is_gone_can_be_read(selfagg: SelfAgg, package: Path) -> None:
    command = ["eval", "squares", "--size", "2", "--method", "half", "-n", "4", "-t", "2", "-m", "simulated:", "--json"]
    done = selfagg(package, *command)
    record = json.loads(done.stdout)["record"]
    (package / "outside-1.0.dist-info" / "entry_points.txt").write_text("")
    for reading in (["analyze"], ["report"], ["compare"], ["plot", "--out", "figure.svg"]):
        read = selfagg(package, *reading, record)
        assert read.returncode == 0, (reading, read.stderr)
