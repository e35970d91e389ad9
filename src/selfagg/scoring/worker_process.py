"""The worker process: reads calls from its standard input, one JSON line each, and answers them.

Started by `selfagg.scoring.workers` as ``python -m selfagg.scoring.worker_process``. It reads what models wrote, so it
gives itself as little power as a plain process can: no new file content, bounded memory, no core dumps.

It also keeps libraries from evaluating what models wrote. Of Reasoning Gym's scorers, four call ``eval`` on the answer
(n_queens, binary_matrix, spiral_matrix, string_insertion) and five sympy's ``parse_expr``, which is ``eval`` underneath
(countdown, puzzle24, polynomial_multiplication, simple_integration, intermediate_integration); math-verify calls
``parse_expr`` on plain arithmetic. Here ``eval`` becomes a reader of literals and integer arithmetic, and
``parse_expr`` refuses everything but formulas. What is refused raises, as text that does not parse does anyway, so that
harmless answers keep the score that their task gives them.
"""

from __future__ import annotations

import ast
import ctypes
import functools
import importlib
import json
import logging
import operator
import os
import re
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

MEMORY = 4 * 2**30
"""Bytes of address space of one worker: ``9**9**9`` ends in a MemoryError, not in a dead machine."""

LONGEST = 20_000
"""Characters of the longest text that is evaluated at all."""

_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}

_FUNCTION = re.compile(
    "sqrt|cbrt|root|exp|log|ln|sin|cos|tan|cot|sec|csc|asin|acos|atan|acot|asec|acsc|arcsin|arccos|arctan|sinh|cosh|"
    "tanh|coth|sech|csch|asinh|acosh|atanh|acoth|abs|Abs|sign|floor|ceiling|factorial|binomial|gcd|lcm|mod|Mod|min|Min|"
    "max|Max|gamma|erf|erfc|erfi|Ei|Si|Ci|li|fresnels|fresnelc|Integral|Derivative|Piecewise|True|False|pi|oo|"
    "Rational|Integer|Float|Symbol"
)
"""Names that formulas may hold. Each makes a formula of its arguments; none takes a text or leads to another name.

Reasoning Gym's own integrals need ``Integral``: SymPy cannot solve some of them, and gives them back as they are.
"""
_NAME = re.compile(r"[^\W\d]\w*")
_VARIABLE = re.compile(r"[A-Za-z][0-9]*")
_FORMULA = re.compile(r"[0-9A-Za-z\s+\-*/^%(),.!=<>]*")
_ATTRIBUTE = re.compile(r"\.\s*[A-Za-z]")


def main() -> None:
    """Serve calls until the pipe closes: for each a line when its function is loaded, and one with its outcome."""
    # Taken for the protocol, so that nothing a library prints gets into it.
    calls, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    _restrict()
    for line in calls:
        try:
            call = json.loads(line)
            module, _, name = call["function"].partition(":")
            function = getattr(importlib.import_module(module), name)
            print("{}", file=answers, flush=True)
            # Past this processor time the kernel ends the process, even in code that looks at no signal.
            signal.setitimer(signal.ITIMER_PROF, call["cpu_s"] or 0)
            answer = json.dumps({"value": function(*call["args"])})
        except Exception as error:
            answer = json.dumps({"error": type(error).__name__, "message": str(error)[:2_000]})
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(answer, file=answers, flush=True)


def _restrict() -> None:
    sys.dont_write_bytecode = True
    logging.disable(logging.CRITICAL)
    if sys.platform == "linux":
        # The kernel ends this process with its parent, even while a check that never returns holds it.
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    for limit, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0)):
        _, hard = resource.getrlimit(limit)
        if hard == resource.RLIM_INFINITY or hard > most:
            try:
                resource.setrlimit(limit, (most, most))
            except (OSError, ValueError):  # macOS refuses some of these
                continue


class Refused(ValueError):
    """The text is not of the harmless kind that may be evaluated."""


def read_value(text: str, *_: object) -> Any:
    """Read a value in place of ``eval``: Python literals, and arithmetic over integers with Python's operators."""
    if len(text) > LONGEST:
        raise Refused("too long to be evaluated")
    text = text.strip()
    try:
        return ast.literal_eval(text)
    except ValueError:
        return _integer(ast.parse(text, mode="eval").body)


def _integer(node: ast.AST) -> int:
    match node:
        case ast.Constant(value=int() as value):
            return value
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return int(_OPERATORS[type(op)](_integer(operand)))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return int(_OPERATORS[type(op)](_integer(left), _integer(right)))
    raise Refused("neither a literal nor arithmetic over integers")


def check_formula(text: str) -> None:
    """Raise `Refused` unless the text is a formula: numbers, operators, variables, known functions.

    Without quotes, brackets, underscores, attributes and other names there is nothing to call.
    """
    if len(text) > LONGEST or not _FORMULA.fullmatch(text) or _ATTRIBUTE.search(text):
        raise Refused("not a formula")
    for name in _NAME.findall(text):
        if not _FUNCTION.fullmatch(name) and not _VARIABLE.fullmatch(name):
            raise Refused(f"{name} is neither a variable nor a known function")


@functools.cache
def _guarded(parse_expr: Callable[..., Any]) -> Callable[..., Any]:
    def parse_formula(text: str, *args: Any, **settings: Any) -> Any:
        check_formula(text)
        return parse_expr(text, *args, **settings)

    return parse_formula


def guard_libraries() -> None:
    """Put the guards in place of ``eval`` in Reasoning Gym and of sympy's ``parse_expr`` wherever it was imported.

    To be called again after further modules were imported.
    """
    if "sympy" in sys.modules:
        # Loaded by the first simplification, and made of names that it parses: under the guard that fails, and with it
        # every comparison by simplification, as of x^2 - 1 with (x - 1)(x + 1).
        importlib.import_module("sympy.physics.units")
    for name, module in list(sys.modules.items()):
        names = vars(module) if module is not None else {}
        found = names.get("parse_expr")
        if getattr(found, "__module__", "") == "sympy.parsing.sympy_parser":
            names["parse_expr"] = _guarded(found)
        if name.partition(".")[0] == "reasoning_gym":
            names["eval"] = names["exec"] = read_value


if __name__ == "__main__":
    main()
