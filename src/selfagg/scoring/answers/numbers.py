"""Canonical keys of numbers and formulas that sympy holds: exact where they are rational, else of many digits."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Any

import mpmath  # type: ignore[import-untyped]
import sympy  # type: ignore[import-untyped]

from selfagg.scoring.answers.values import Value, number, rounded_key

DIGITS = 250
"""Significant digits by which two irrational numbers are compared."""

_WORKING = DIGITS + 50
_LARGEST = 100_000.0  # digits of the largest number that is written out; above it, logarithms are compared
_SAMPLES = 4
_WHOLE = frozenset("ijklmnN")  # letters that stand for integers by custom


class Unreadable(ValueError):
    """The text has no value that can be compared."""


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
    letters = {symbol: sympy.I for symbol in expression.free_symbols if symbol.name == "i"}
    expression = expression.xreplace(letters) if letters else expression
    return (
        expression.replace(_is_odd_root, lambda root: _real_power(*root.args))
        if expression.has(sympy.Pow)
        else expression
    )


def _is_odd_root(part: Any) -> bool:
    """Return True if a part is a root such as the cube root of -8, which everybody takes to be real."""
    if not isinstance(part, sympy.Pow) or not part.exp.is_Rational or part.exp.q % 2 == 0 or part.exp.q == 1:
        return False
    return bool(part.base.is_number and part.base.is_extended_negative)


def _real_power(base: Any, exponent: Any) -> Any:
    return (-1) ** (exponent.p % 2) * (-base) ** exponent


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
    if (fraction := _recognised(real)) is not None:
        return number(fraction)
    return Value("number", (_exact_digits(real), rounded_key(_as_fraction(real))))


def _evaluated(expression: Any) -> Any:
    if _size(expression) > _LARGEST:
        raise Unreadable("it is too large")
    return expression.doit() if hasattr(expression, "doit") else expression


def _parts(exact: Any, digits: int = _WORKING) -> tuple[Any, Any]:
    """Return real and imaginary part as mpmath numbers, exactly zero if only the noise of rounding is left."""
    found = exact.evalf(digits, maxn=2 * digits)
    parts = found.as_real_imag()
    if not all(part.is_Float or part.is_Integer or part.is_Rational for part in parts):
        raise Unreadable("it is no number")
    floats = [sympy.Float(part, digits) if not part.is_Float else part for part in parts]
    largest = max(abs(part) for part in floats)
    clean = [
        0 if part._prec == 1 or abs(part) < largest * sympy.Float(10, digits) ** (20 - digits) else part
        for part in floats
    ]
    return clean[0], clean[1]


def _exact_digits(part: Any) -> str:
    return "0" if not part else f"{sympy.Float(part, DIGITS):.{DIGITS - 1}e}"


def _as_fraction(part: Any) -> Fraction:
    exact = sympy.Rational(part)
    return Fraction(int(exact.p), int(exact.q))


def _recognised(real: Any) -> Fraction | None:
    """Return the rational number in disguise, such as the square of a root."""
    if not real:
        return Fraction(0)
    exact = _as_fraction(real)
    simple = exact.limit_denominator(10**40)
    return simple if abs(exact - simple) <= abs(exact) / 10 ** (DIGITS + 10) else None


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
        if not base.is_Rational and not _whole(base):
            return inner
        return max(inner, _size(base) * _magnitude(exponent))
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
    return abs(_magnitude(limit[2] - limit[1]))


def _whole(expression: Any) -> bool:
    return isinstance(expression, sympy.Pow | sympy.Mul | sympy.Add | sympy.factorial | sympy.binomial)


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
    if expression.atoms(sympy.core.function.AppliedUndef):
        return Value("formula", (_structure(expression),))
    if expression.has(sympy.log):
        expression = sympy.expand_log(expression.doit(), force=True)
    values = _samples(expression)
    known = [found for found in values if found is not None]
    if len(known) < 2:
        return Value("formula", (_structure(expression),))
    texts = [_digits(found, 20) if found is not None else "?" for found in values]
    if len(set(texts)) == 1 and (constant := _constant(expression)) is not None:
        return constant
    if isinstance(expression, sympy.Symbol):
        return Value("formula", (f"symbol {expression.name}",))
    return Value("formula", (" ".join(texts),))


def _constant(expression: Any) -> Value | None:
    """Return the number that a formula is whatever its letters: sin^2 x + cos^2 x."""
    point = _points(expression)[0]
    return _number(expression.subs(point))


def _structure(expression: Any) -> str:
    return str(sympy.srepr(expression.doit()))


def _samples(expression: Any) -> list[Any]:
    """Return the values of a formula at the fixed points, None where it has none there."""
    found: list[Any] = []
    for point in _points(expression):
        try:
            value = _evaluated(expression.subs(point))
            real, imaginary = _parts(value, 50)
            found.append(sympy.sympify(real) + sympy.I * imaginary if imaginary else sympy.sympify(real))
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
    return ",".join(
        f"{sympy.Float(part, digits):.{digits - 1}e}" if part else "0"
        for part in (real, imaginary)
        if part or part is real
    )
