"""What stands between a model's words and ``eval``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.scoring.worker_process import Refused, check_formula, read_value

HOSTILE = [
    "__import__('os').system('touch pwned')",
    "().__class__.__base__.__subclasses__()",
    "[open('pwned', 'w')]",
    "exec('import os')",
    "eval(chr(95))",
    "(lambda: 1)()",
    "[print(1) for _ in range(9)]",
    "f'{open(1)}'",
    "S('__import__(1)')",
    "x.func(1)",
    "x . func(1)",
    "globals()",
    "exit()",
    "input()",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        check_formula(text)
    with pytest.raises((Refused, SyntaxError)):
        read_value(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1, 2]", [1, 2]),
        (" [['_', 'Q'], ['Q', '_']]", [["_", "Q"], ["Q", "_"]]),
        ("'a'", "a"),
        ("-3", -3),
        ("((0x10 + 0x2) << 1) - 3", 33),
        ("~5 & 0xff | 1 ^ 2", 251),
        ("7 // 2 % 2 >> 0", 1),
    ],
)
def test_values_are_read(text: str, value: Any) -> None:
    assert read_value(text) == value


@pytest.mark.parametrize(
    "text",
    ["a", "2 ** 3", "1 if 1 else 2", "(", "", "1 + 'a'", "[1][0]", pytest.param("1 " * 20_001, id="20,001 numbers")],
)
def test_what_is_no_value_is_refused(text: str) -> None:
    with pytest.raises((Refused, SyntaxError)):
        read_value(text)


@pytest.mark.parametrize(
    "text", ["6*70*(66 + 98 - 92)/80", "x**2/3 + 2*x + C", "sin(2*x)*exp(-x)", "sqrt(2)/2", "1.5e3", "3!", "4x^2", "y1"]
)
def test_formulas_pass(text: str) -> None:
    check_formula(text)


@given(st.text(alphabet="0123456789+-*/() xyC.^,"))
def test_no_text_of_numbers_and_signs_holds_a_call_by_name(text: str) -> None:
    try:
        check_formula(text)
    except Refused:
        assert "." in text or any(len(word) > 1 for word in text.replace("C", "x").replace("y", "x").split())


def test_no_evaluator_is_left_unguarded() -> None:
    """Looks through every module that a worker has loaded after scoring with each task."""
    script = """
import sys
from reasoning_gym.factory import DATASETS
from selfagg.scoring import gym_check, worker_process
from selfagg.scoring.answers import read
for task in DATASETS:
    if task != "composite":
        gym_check._scorer(task)
for name, module in list(sys.modules.items()):
    if name.split(".")[0] == "reasoning_gym":
        assert module.eval is module.exec is worker_process.read_value, name
    function = getattr(module, "parse_expr", None)
    assert getattr(function, "__module__", "") != "sympy.parsing.sympy_parser", name
import sympy
try:
    sympy.sympify("__import__('os').getpid()")
except Exception:
    print("guarded")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "guarded\n", done.stderr


def test_without_the_guard_hostile_text_would_run(tmp_path: Path) -> None:
    """The danger is real: this is what the tests above would miss if the libraries stopped evaluating."""
    script = """
import reasoning_gym
answer = "__import__('os').system('touch pwned')"
reasoning_gym.get_score_answer_fn("countdown")(answer, {"metadata": {"numbers": [1], "target": 1}})
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, timeout=60, check=True)
    assert (tmp_path / "pwned").exists()
