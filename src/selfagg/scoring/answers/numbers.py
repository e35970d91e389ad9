r"""Formulas: parsed by math-verify's LaTeX parser, and their canonical keys.

Numbers are exact where they are rational, else of many digits; formulas are compared by their values at fixed points.
"""

from __future__ import annotations

import hashlib
import re
from fractions import Fraction
from typing import Any

import mpmath  # type: ignore[import-untyped]
import sympy  # type: ignore[import-untyped]
from latex2sympy2_extended.latex2sympy2 import ConversionConfig, latex2sympy  # type: ignore[import-untyped]

from selfagg.scoring.answers.values import Unreadable, Value, number, rounded_key

DIGITS = 250
"""Significant digits by which two irrational numbers are compared."""

_WORKING = DIGITS + 50
_LARGEST = 100_000.0  # digits of the largest number that is written out; above it, logarithms are compared
_SAMPLES = 4
_WHOLE = frozenset("ijklmnN")  # letters that stand for integers by custom

_SETTINGS = ConversionConfig(lowercase_symbols=False)
_TRIGONOMETRIC = re.compile(r"\\(?:arc)?(?:sin|cos|tan|cot|sec|csc)")
_SEVERAL = re.compile(r"\\(?:gcd|lcm|max|min|operatorname)")
_NO_FORMULA = re.compile(
    r"\\text|\\ldots|\\cancel|[0-9]\s+[0-9]+(?!/)(?![0-9]*/)|\{\s*\}\{|\\sqrt\{\s*\}|[?<>;]|[0-9]\'"
)
_REWRITTEN = (
    (re.compile(r"(?<=[A-Za-z)}])'+"), lambda m: "_{prime}" if len(m[0]) == 1 else "_{second}"),
    (
        re.compile(r"(?<![0-9.}\\])([0-9]+)\s*\\frac\{([0-9]+)\}\{([0-9]+)\}"),
        lambda m: _mixed(*m.groups()) or rf"({m[1]}\cdot \frac{{{m[2]}}}{{{m[3]}}})",
    ),
    (re.compile(r"(?<![0-9./])([0-9]+) +([0-9]+)/([0-9]+)(?![0-9.])"), lambda m: _mixed(*m.groups()) or "?"),
    (re.compile(r"[0-9]+\.[0-9]+|\.[0-9]+|[0-9]+\.(?![0-9])"), lambda m: _fraction(m[0])),
    (re.compile(r"(?<!\^[0-9])(?<=[0-9)])\s*\((?!\\frac\{[0-9]+\}\{10*\}\))"), lambda m: r"\cdot ("),
    (re.compile(r"\^\{\s*\}"), lambda m: ""),
)


def expression(text: str) -> Any:
    """Return the expression or the matrix of a formula without words, lists, brackets and relations.

    Raises:
        Unreadable: It is no formula.
    """
    if not text.strip() or _NO_FORMULA.search(text) or ("," in text and not _SEVERAL.search(text)):
        raise Unreadable("no formula")
    for pattern, into in _REWRITTEN:
        text = pattern.sub(into, text)
    if _TRIGONOMETRIC.search(text):
        text = re.sub(r"(\([^()]*\)|[0-9]+|\\?[a-zA-Z]+)\s*\^\\circ", r"(\1\\cdot\\frac{\\pi}{180})", text)
    else:
        text = text.replace(r"^\circ", " ")
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


def value_of(expression: Any) -> Value:
    """Return the value of a number or a formula."""
    expression = _with_imaginary_unit(sympy.sympify(expression))
    if expression.free_symbols or expression.atoms(sympy.core.function.AppliedUndef):
        return _formula(expression)
    return _number(expression)


def key_of(expression: Any) -> str:
    """Return the exact key alone."""
    return value_of(expression).key


def rational(expression: Any) -> Fraction | None:
    """Return a number as a fraction, or None where it is irrational."""
    exact = _evaluated(_with_imaginary_unit(sympy.sympify(expression)))
    return Fraction(int(exact.p), int(exact.q)) if exact.is_Rational else None


def proportional_key(expression: Any, *, positive: bool = False) -> str:
    """Return a key that all (positive) multiples of a formula share: of the two sides of an equation."""
    values = [found for found in _samples(_with_imaginary_unit(expression)) if found is not None]
    scale = next((found for found in values if found), None)
    if scale is None:
        raise Unreadable("it is zero everywhere")
    scale = abs(scale) if positive else scale
    return " ".join(_digits(found / scale, 15) for found in values)


def _with_imaginary_unit(expression: Any) -> Any:
    """Read ``i`` as the imaginary unit, and the cube root of -8 as everybody does: real."""
    expression = expression.xreplace({symbol: sympy.I for symbol in expression.free_symbols if symbol.name == "i"})
    if not expression.has(sympy.Pow):
        return expression
    return expression.replace(_is_odd_root, lambda root: (-1) ** (root.exp.p % 2) * (-root.base) ** root.exp)


def _is_odd_root(part: Any) -> bool:
    if not isinstance(part, sympy.Pow) or not part.exp.is_Rational or part.exp.q % 2 == 0 or part.exp.q == 1:
        return False
    return bool(part.base.is_number and part.base.is_extended_negative)


def _number(expression: Any) -> Value:
    if _size(expression) > _LARGEST:
        return Value("number", (_key_by_logarithm(expression),))
    exact = _evaluated(expression)
    if exact.is_Rational:
        return number(Fraction(int(exact.p), int(exact.q)))
    if exact in (sympy.oo, -sympy.oo):
        return Value("number", (str(exact),))
    real, imaginary = _parts(exact)
    if imaginary:
        return Value("number", (f"{_exact_digits(real)} {_exact_digits(imaginary)}i",))
    rounded = sympy.Rational(real)
    fraction = Fraction(int(rounded.p), int(rounded.q))
    simple = fraction.limit_denominator(10**40)
    if abs(fraction - simple) <= abs(fraction) / 10 ** (DIGITS + 10):  # a rational in disguise: the square of a root
        return number(simple)
    return Value("number", (_exact_digits(real), rounded_key(fraction)))


def _evaluated(expression: Any) -> Any:
    if _size(expression) > _LARGEST:
        raise Unreadable("it is too large")
    return expression.doit() if hasattr(expression, "doit") else expression


def _parts(exact: Any, digits: int = _WORKING) -> tuple[Any, Any]:
    """Return real and imaginary part as mpmath numbers, exactly zero if only the noise of rounding is left."""
    parts = exact.evalf(digits, maxn=2 * digits).as_real_imag()
    if not all(part.is_Float or part.is_Integer or part.is_Rational for part in parts):
        raise Unreadable("it is no number")
    floats = [sympy.Float(part, digits) if not part.is_Float else part for part in parts]
    noise = max(abs(part) for part in floats) * sympy.Float(10, digits) ** (20 - digits)
    real, imaginary = (0 if part._prec == 1 or abs(part) < noise else part for part in floats)
    return real, imaginary


def _exact_digits(part: Any) -> str:
    return "0" if not part else f"{sympy.Float(part, DIGITS):.{DIGITS - 1}e}"


def _size(expression: Any) -> float:
    """Return the rough number of digits of the largest number that evaluating an expression writes out."""
    if expression.is_Rational:
        return float(max(abs(int(expression.p)).bit_length(), int(expression.q).bit_length())) * 0.302
    inner = max((_size(part) for part in expression.args), default=1.0)
    if isinstance(expression, sympy.Sum | sympy.Product | sympy.Integral):
        return inner if all(_terms(limit) <= 10_000 for limit in expression.limits) else float("inf")
    if inner > _LARGEST or expression.free_symbols:
        return inner
    if isinstance(expression, sympy.Pow):
        base, exponent = expression.args
        whole = (sympy.Pow, sympy.Mul, sympy.Add, sympy.factorial, sympy.binomial)
        return max(inner, _size(base) * _magnitude(exponent)) if base.is_Rational or isinstance(base, whole) else inner
    if isinstance(expression, sympy.factorial):
        count = _magnitude(expression.args[0])
        return max(inner, count * max(1.0, len(str(int(count))))) if count < 1e9 else float("inf")
    if isinstance(expression, sympy.binomial):
        return max(inner, _magnitude(expression.args[0])) * 0.302
    if isinstance(expression, sympy.Mul):
        return sum(_size(part) for part in expression.args)
    return inner


def _terms(limit: Any) -> float:
    if len(limit) < 3 or limit[1].free_symbols or limit[2].free_symbols or sympy.oo in limit[1:]:
        return 0.0
    return _magnitude(limit[2] - limit[1])


def _magnitude(expression: Any) -> float:
    try:
        return abs(float(expression.evalf(15)))
    except (TypeError, ValueError, OverflowError):
        return float("inf")


def _key_by_logarithm(expression: Any) -> str:
    """Return the key of a product of powers that is too large to write out: that of its logarithm, and so on."""
    negative = expression.could_extract_minus_sign()
    return f"{'-' if negative else ''}exp {_number(_logarithm(-expression if negative else expression)).key}"


def _logarithm(expression: Any) -> Any:
    if isinstance(expression, sympy.Mul):
        return sympy.Add(*(_logarithm(part) for part in expression.args))
    if isinstance(expression, sympy.Pow):
        base, exponent = expression.args
        return sympy.Mul(exponent, _logarithm(base), evaluate=_size(exponent) < _LARGEST)
    if isinstance(expression, sympy.factorial):
        return _log_factorial(expression.args[0])
    if isinstance(expression, sympy.binomial):
        n, k = expression.args
        return _log_factorial(n) - _log_factorial(k) - _log_factorial(n - k)
    if expression.is_Rational and expression > 0:
        return sympy.log(expression)
    raise Unreadable("it is too large")


def _log_factorial(count: Any) -> Any:
    with mpmath.workdps(_WORKING):
        return sympy.Float(mpmath.loggamma(mpmath.mpf(int(_evaluated(count))) + 1), _WORKING)


def _formula(expression: Any) -> Value:
    """Return a formula as its values at fixed points: equal formulas have equal values, others differ somewhere."""
    values: list[Any] = []
    if not expression.atoms(sympy.core.function.AppliedUndef):
        if expression.has(sympy.log):
            expression = sympy.expand_log(expression.doit(), force=True)
        values = _samples(expression)
    if sum(found is not None for found in values) < 2:
        return Value("formula", (str(sympy.srepr(expression.doit())),))
    texts = [_digits(found, 20) if found is not None else "?" for found in values]
    if len(set(texts)) == 1:  # a number whatever its letters are: sin^2 x + cos^2 x
        return _number(expression.subs(_points(expression)[0]))
    if isinstance(expression, sympy.Symbol):
        return Value("formula", (f"symbol {expression.name}",))
    return Value("formula", (" ".join(texts),))


def _samples(expression: Any) -> list[Any]:
    """Return the values of a formula at the fixed points, None where it has none there."""
    found: list[Any] = []
    for point in _points(expression):
        try:
            real, imaginary = map(sympy.sympify, _parts(_evaluated(expression.subs(point)), 50))
            found.append(real + sympy.I * imaginary if imaginary else real)
        except (Unreadable, TypeError, ValueError, ZeroDivisionError, AttributeError, OverflowError):
            found.append(None)
    return found


def _points(expression: Any) -> list[dict[Any, Any]]:
    """Return two points of positive coordinates, one of negative, one of mixed ones; a letter always has the same."""
    symbols = sorted(expression.free_symbols, key=str)
    return [{symbol: _coordinate(symbol.name, sample) for symbol in symbols} for sample in range(_SAMPLES)]


def _coordinate(name: str, sample: int) -> Any:
    digest = hashlib.sha256(f"{name} {sample}".encode()).digest()
    if name[:1] in _WHOLE:
        return sympy.Integer(3 + 3 * sample + digest[0] % 3)
    size = sympy.Rational(31 + digest[0], 97 + digest[1] % 50)
    return -size if sample == 2 or (sample == 3 and digest[2] % 2) else size


def _digits(found: Any, digits: int) -> str:
    real, imaginary = sympy.sympify(found).evalf(digits + 10).as_real_imag()
    parts = (real, imaginary) if imaginary else (real,)
    return ",".join(f"{sympy.Float(part, digits):.{digits - 1}e}" if part else "0" for part in parts)
