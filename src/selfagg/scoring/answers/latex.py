r"""Formulas: what math-verify's LaTeX parser makes of one expression without words, lists, brackets and relations."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import sympy  # type: ignore[import-untyped]
from latex2sympy2_extended.latex2sympy2 import ConversionConfig, latex2sympy  # type: ignore[import-untyped]

from selfagg.scoring.answers.numbers import Unreadable

_SETTINGS = ConversionConfig(lowercase_symbols=False)
_TRIGONOMETRIC = re.compile(r"\\(?:arc)?(?:sin|cos|tan|cot|sec|csc)")
_SEVERAL = re.compile(r"\\(?:gcd|lcm|max|min|operatorname)")
_DECIMAL = re.compile(r"[0-9]+\.[0-9]+|\.[0-9]+|[0-9]+\.(?![0-9])")

_REWRITTEN = (
    (re.compile(r"(?<=[A-Za-z)}])'+"), lambda m: "_{prime}" if len(m[0]) == 1 else "_{second}"),
    (
        re.compile(r"(?<![0-9.}\\])([0-9]+)\s*\\frac\{([0-9]+)\}\{([0-9]+)\}"),
        lambda m: _mixed(*m.groups()) or rf"({m[1]}\cdot \frac{{{m[2]}}}{{{m[3]}}})",
    ),
    (re.compile(r"(?<![0-9./])([0-9]+) +([0-9]+)/([0-9]+)(?![0-9.])"), lambda m: _mixed(*m.groups()) or "?"),
    (_DECIMAL, lambda m: _fraction(m[0])),
    (re.compile(r"(?<!\^[0-9])(?<=[0-9)])\s*\((?!\\frac\{[0-9]+\}\{10*\}\))"), lambda m: r"\cdot ("),
    (re.compile(r"\^\{\s*\}"), lambda m: ""),
)


def expression(text: str) -> Any:
    """Return the expression or the matrix that sympy makes of a formula.

    Raises:
        Unreadable: It is no formula.
    """
    if (
        not text.strip()
        or re.search(
            r"\\text|\\ldots|\\cancel|[0-9]\s+[0-9]+(?!/)(?![0-9]*/)|\{\s*\}\{|\\sqrt\{\s*\}|[?<>;]|[0-9]\'", text
        )
        or ("," in text and not _SEVERAL.search(text))
    ):
        raise Unreadable("no formula")
    for pattern, into in _REWRITTEN:
        text = pattern.sub(into, text)
    text = _degrees(text)
    try:
        found = latex2sympy(text, is_real=True, normalization_config=None, conversion_config=_SETTINGS)
    except Exception as error:  # the parser raises plain exceptions
        raise Unreadable("no formula") from error
    if isinstance(found, sympy.MatrixBase | sympy.MatrixExpr):
        return found.doit()
    if not isinstance(found, sympy.Expr):
        raise Unreadable("no formula")
    return found


def _mixed(whole: str, top: str, bottom: str) -> str:
    return rf"({whole}+\frac{{{top}}}{{{bottom}}})" if int(top) < int(bottom) else ""


def _fraction(decimal: str) -> str:
    exact = Fraction(decimal.rstrip("."))
    return rf"(\frac{{{exact.numerator}}}{{{exact.denominator}}})" if exact.denominator > 1 else str(exact.numerator)


def _degrees(text: str) -> str:
    if _TRIGONOMETRIC.search(text):
        return re.sub(r"(\([^()]*\)|[0-9]+|\\?[a-zA-Z]+)\s*\^\\circ", r"(\1\\cdot\\frac{\\pi}{180})", text)
    return text.replace(r"^\circ", " ")
