"""Which program a response states, and what it is when it completes a function."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.scoring.base import stated_answer
from selfagg.scoring.code_blocks import before_open_block, completed, program
from selfagg.types import Question, Reply, Stop

MARKS = [
    "python",
    "py",
    "py3",
    "python3",
    "Python3",
    "python3.11",
    "Python 3",
    "python:main.py",
    "{python}",
    "{.python}",
]
MARKS += [" python", 'python title="a.py"', "python,linenos", "PYTHON", "", "  "]
PROMPT = 'from typing import List\n\ndef total(xs: List[int]) -> int:\n    """Sum."""\n'


@pytest.mark.parametrize("mark", MARKS)
def test_marks_of_python(mark: str) -> None:
    assert program(f"Here:\n```{mark}\nf(1)\n```\nDone.") == "f(1)"


@pytest.mark.parametrize("mark", ["cpp", "bash", "text", "pythonic", "python-repl", "pycon", "json", "ipython"])
def test_marks_of_something_else(mark: str) -> None:
    assert program(f"```{mark}\nf(1)\n```") is None
    assert program(f"```python\nf(2)\n```\n```{mark}\nf(1)\n```") == "f(2)"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```py\nx = 1\n```\n```Python3\nx = 2\n```\nDone.", "x = 2"),
        ("```python\nx = 1\n```\nIt prints\n```\n1\n```", "x = 1"),
        ("~~~python\nx = 1\n~~~", "x = 1"),
        ("````python\nx = '```'\n```\ny\n````", "x = '```'\n```\ny"),
        ("1. First\n   ```python\n   if x:\n       y\n   ```", "if x:\n    y"),
        ("- ```python\n  x = 1\n  ```", "x = 1"),
        ("> ```python\n> x = 1\n>\n> y = 2\n> ```", "x = 1\n\ny = 2"),
        ("```python\r\nx = 1\r\n```\r\n", "x = 1"),
        ("```python\n\ufeffx = 1\n```", "x = 1"),
        ("Code: ```python\nx = 1\n```", "x = 1"),
        ("```python\nx = 1\n```.", "x = 1"),
        ("```python\nx = 1\n``` That is all.", "x = 1"),
        ("```python\nx = 1```\nDone.", "x = 1"),
        ("```python\nx = 1\n   ```\nDone.", "x = 1"),
        ("```python\nx = 1```\n```python\nx = 2", "x = 2"),
        ("```python\n# see ```\nx = 1\n```", "# see ```\nx = 1"),
        ('```python\ns = """\n```\n"""\nx = 1\n```\nDone.', 's = """\n```\n"""\nx = 1'),
        ('```python\ns = """\n```\nNo:\n```python\nx = 1\n```', "x = 1"),
        ("```python\nx = 1\n```\nBetter:\n```python\nx = 2", "x = 2"),
        ("I write one ```python code block.\n```python\nx = 1\n```", "x = 1"),
        ("<answer>\n```python\nx = 1\n```\n</answer>", "x = 1"),
        ("print(int(input()) * 2)", "print(int(input()) * 2)"),
    ],
)
def test_program(text: str, code: str) -> None:
    assert program(text) == code


@pytest.mark.parametrize(
    "text", ["", "x = 1", "I do not know.", "Sorry", "```cpp\nint x;\n```", "```python\n \n```", "```"]
)
def test_no_program(text: str) -> None:
    assert program(text) is None


def test_a_call_of_the_solution_does_not_replace_it() -> None:
    solution = "def f(x):\n    return x"
    text = f"```python\ndef f(x): ...\n```\n```python\n{solution}\n```\nUse it:\n```python\nprint(f(1))\n```"
    assert program(text, "f") == solution
    assert program(text, "g") == "print(f(1))"
    assert program("```python\nf = abs\n```\n```python\nf(1)\n```", "f") == "f = abs"


def test_a_huge_program_is_none() -> None:
    assert program("```python\n" + "#" * 1_000_001 + "\n```") is None
    assert program("```python\n" + "#" * 1_000_000 + "\n```") is not None


def test_of_a_cut_reply_only_closed_blocks_count() -> None:
    question = Question("q", "?", "code")
    text = "```python\nx = 1\n```\nBetter:\n```python\nx = 2"
    assert stated_answer(question, Reply(text)) == "x = 2"
    assert stated_answer(question, Reply(text, stop=Stop.LENGTH)) == "x = 1"
    assert stated_answer(question, Reply("```python\nx = 1", stop=Stop.LENGTH)) is None
    assert stated_answer(question, Reply("print(1)", stop=Stop.LENGTH)) is None


@pytest.mark.parametrize(
    "code",
    [
        "    return sum(xs)",
        "return sum(xs)",
        "\treturn sum(xs)",
        "  t = 0\n  for x in xs:\n    t += x\n  return t",
        "t = 0\n    for x in xs:\n        t += x\n    return t",
        "t = 0\nfor x in xs:\n    t += x\nreturn t",
        "if not xs:\n    return 0\nreturn sum(xs)",
        "    t = 0\n    for x in xs:\n        t += x\n    return t\n\nassert total([1]) == 1",
        "def total(xs):\n    return sum(xs)",
        "from __future__ import annotations\ndef total(xs: list[int]) -> int:\n    return sum(xs)",
        "from __future__ import (\n    annotations,\n)\nimport math\ndef total(xs): return sum(xs)",
        "def helper(xs):\n    return sum(xs)\n\ndef total(xs):\n    return helper(xs)",
        "def helper(xs):\n    return sum(xs)\n\ntotal = helper",
        "total = sum",
    ],
)
def test_completions_of_a_function(code: str) -> None:
    names: dict[str, Any] = {}
    exec(compile(completed(PROMPT, code, "total"), "program", "exec"), names)
    assert names["total"]([1, 2]) == 3


PIECES = [
    "```python\n",
    "```\n",
    "~~~\n",
    "```",
    '"""',
    "\n",
    "    return 1\n",
    "def f():\n",
    "> ",
    "- ",
    "x",
    " ",
    "\t",
]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_any_text_is_taken(text: str) -> None:
    for found in (program(text, "f"), program(before_open_block(text))):
        assert found is None or found.strip()
    completed(PROMPT, text, "f")


@pytest.mark.parametrize(
    "piece",
    [
        "```python\n",
        "```\n",
        "~~~\n```\n",
        "```" + " " * 50 + "`\n",
        " " * 50 + "```\n",
        '"""\n',
        "> ",
        "- ",
        "x ",
        "`",
        "a\n",
    ],
)
def test_is_found_in_linear_time(piece: str) -> None:
    program(piece * 50_000, "f")
    program("```python\n" + piece * 50_000, "f")
