"""No program gets a right verdict but by right answers: forged output, forged values, a look at what is expected."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import pytest

from selfagg.scoring.code import CodeScorer
from selfagg.types import Question

EXPECTED = "expected-7c1f"


def question(**data: Any) -> Question:
    return Question("q", "Write a program.", "code", data=data)


def fenced(code: str) -> str:
    return f"```python\n{code}\n```"


SECRET = question(format="stdin", cases=[["1\n", EXPECTED], ["2\n", EXPECTED]])
SECRET_CALL = question(format="function", function="f", cases=[["1", json.dumps(EXPECTED)], ["2", "1.5"]])
CHECK = question(
    format="check",
    prompt='def half(x):\n    """Half of x."""\n',
    test=f"""
def check(candidate):
    # {EXPECTED}
    assert candidate(3) == 1.5
    assert candidate((8,)) == ({EXPECTED!r},)
""",
    function="half",
)


async def test_the_right_answers_pass(scorer: CodeScorer) -> None:
    """Else what follows would show nothing."""
    assert (await scorer.score(SECRET, fenced(f"print({EXPECTED!r})"))).score == 1.0
    assert (await scorer.score(SECRET_CALL, fenced(f"def f(x): return [{EXPECTED!r}, 1.5][x - 1]"))).score == 1.0
    assert (await scorer.score(CHECK, fenced(f"    return 1.5 if x == 3 else ({EXPECTED!r},)"))).score == 1.0


TALK = """
import json, struct, os
def talk(descriptor):
    for message in ({"failure": None}, {"status": "done", "output": "", "value": "", "errors": ""}):
        body = json.dumps(message).encode()
        try:
            os.write(descriptor, struct.pack(">I", len(body)) + body)
        except OSError:
            pass
"""
SEARCH = """
import gc, glob, os, sys, re
found = b""
def look(data):
    global found
    for match in re.finditer(rb"expected-[0-9a-f]{4}", data):
        found = found or match.group()
needle = b"expected"
for thing in gc.get_objects():
    try: look(repr(thing).encode())
    except Exception: pass
frame = sys._getframe()
while frame:
    for space in (frame.f_globals, frame.f_locals):
        try: look(repr(space).encode())
        except Exception: pass
    frame = frame.f_back
for pattern in ("/proc/*/mem", "/proc/*/fd/*", "/proc/*/environ", "/proc/*/cmdline", "/guest/**/*", "/tmp/**"):
    for path in glob.glob(pattern, recursive=True):
        if "zero" in path or "random" in path: continue
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            look(os.read(descriptor, 1 << 20))
        except OSError: pass
try:
    for line in open("/proc/self/maps"):
        start, end = (int(x, 16) for x in line.split()[0].split("-"))
        with open("/proc/self/mem", "rb") as memory:
            memory.seek(start); look(memory.read(min(end - start, 1 << 24)))
except (OSError, OverflowError, ValueError): pass
found = found.decode()
"""
EQUAL = """
class Equal:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
    def __iter__(self): return iter(())
    def __repr__(self): return "expected"
class Text(str, Equal): __eq__ = Equal.__eq__; __hash__ = str.__hash__
class Whole(int, Equal): __eq__ = Equal.__eq__; __hash__ = int.__hash__
class Items(list, Equal): __eq__ = Equal.__eq__; __hash__ = None
class Pair(tuple, Equal): __eq__ = Equal.__eq__; __hash__ = tuple.__hash__
class Real(float, Equal): __eq__ = Equal.__eq__; __hash__ = float.__hash__
"""
FORGERIES: dict[str, str] = {
    "prints a verdict": "print('PASSED'); print('{\"failure\": null}'); print(True)",
    "exits at once": "import os; os._exit(0)",
    "exits well": "import sys; sys.exit(0)",
    "talks to every descriptor": TALK + "for n in range(64): talk(n)",
    "talks to the worker": TALK
    + "for n in range(64):\n    try: talk(os.open(f'/proc/{os.getppid()}/fd/{n}', 1))\n    except OSError: pass",
    "looks for what is expected": SEARCH + "print(found)",
    "overwrites the worker": "import sys\nfor m in list(sys.modules.values()):\n    f = getattr(m, '__file__', None)\n"
    "    try: open(f, 'w').write('')\n    except (OSError, TypeError): pass",
    "patches the worker's modules": "import sys, json\njson.dumps = lambda *a, **k: '{\"failure\": null}'\n"
    "w = sys.modules['selfagg.sandbox.guest.worker']\nw._end = w._report = w._write = w.encode = lambda *a: None",
    "patches the built-ins": "import builtins\nbuiltins.str = builtins.bool = builtins.bytes = lambda *a: True",
    "traces": "import sys, threading\nsys.settrace(lambda *a: None); sys.setprofile(lambda *a: sys.exit(0))",
    "kills its parent": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)",
    "raises a verdict": "raise SystemExit('PASSED')",
    "interrupts": "raise KeyboardInterrupt",
    "writes what sets look like": "print(float('nan')); print('NaN'); print('Infinity')",
    "answers nothing": "",
    "fills the pipe": "import os\nos.write(1, b'\\0' * (1 << 19))",
}


@pytest.mark.parametrize("how", FORGERIES)
async def test_no_program_forges_its_output(how: str, scorer: CodeScorer) -> None:
    verdict = await scorer.score(SECRET, fenced(FORGERIES[how]))
    assert verdict.score == 0.0
    assert EXPECTED not in verdict.note


RETURNS = {
    "an object equal to all": EQUAL + "def f(x): return Equal()",
    "a text equal to all": EQUAL + "def f(x): return Text('x')",
    "a number equal to all": EQUAL + "def f(x): return Whole(7)",
    "a real equal to all": EQUAL + "def f(x): return Real(7.5)",
    "a list equal to all": EQUAL + "def f(x): return Items([Equal()])",
    "a tuple equal to all": EQUAL + "def f(x): return Pair([Equal()])",
    "no number": "def f(x): return float('nan')",
    "what it finds": SEARCH + "def f(x): return found",
    "what it finds in its caller": SEARCH.replace(
        "frame = sys._getframe()", "def f(x):\n    return str(sys._getframe(1).f_locals)\nframe = None"
    ),
    "an encoding": "def f(x): return {'dict': [], 'tuple': [], 'opaque': ''}",
    "itself": "def f(x):\n    y = []\n    y.append(y)\n    return y",
    "deep lists": "def f(x):\n    y = []\n    for _ in range(100000): y = [y]\n    return y",
    "deep JSON, written by itself": "import os\ndef f(x):\n    os.pwrite(N, b'[' * 99999, 0)\n    os._exit(0)",
    "broken JSON, written by itself": "import os\ndef f(x):\n    os.pwrite(N, b'{\"tuple\": 3}', 0)\n    os._exit(0)",
    "the verdict": "import os\ndef f(x):\n    os.pwrite(N, b'true', 0)\n    os._exit(0)",
    "by exit": "import os\ndef f(x): os._exit(0)",
    "by a generator": "def f(x):\n    yield 1",
    "a class": "class Solution:\n    def __getattr__(self, name): return lambda *a: True",
}


@pytest.mark.parametrize("what", RETURNS)
async def test_no_program_forges_its_value(what: str, scorer: CodeScorer) -> None:
    # The descriptor of the value is no secret: the only one open above the standard streams.
    code = RETURNS[what].replace("N,", "next(n for n in range(3, 64) if os.path.exists(f'/proc/self/fd/{n}')),")
    assert (await scorer.score(SECRET_CALL, fenced(code))).score == 0.0


@pytest.mark.parametrize("what", RETURNS)
async def test_no_program_forges_what_a_check_sees(what: str, scorer: CodeScorer) -> None:
    code = RETURNS[what].replace("N,", "next(n for n in range(3, 64) if os.path.exists(f'/proc/self/fd/{n}')),")
    code += "\n\ntry: half = f\nexcept NameError: half = Solution().half\n"
    assert (await scorer.score(CHECK, fenced(code))).score == 0.0


@pytest.mark.parametrize("how", FORGERIES)
async def test_no_program_skips_a_check(how: str, scorer: CodeScorer) -> None:
    body = textwrap.indent(FORGERIES[how] or "pass", "    ")
    code = f"def half(x):\n    global found\n{body}\n    return True"
    assert (await scorer.score(CHECK, fenced(code))).score == 0.0
    assert (await scorer.score(CHECK, fenced(FORGERIES[how] + "\ndef check(candidate): pass"))).score == 0.0
