r"""Formulas, numbers and sets of numbers: parsed by math-verify's LaTeX parser, and their canonical keys.

Numbers are exact where they are rational, else of many digits; formulas are compared by their values at fixed points;
intervals and inequalities as sets of real numbers.
"""

from __future__ import annotations

import hashlib
import re
from fractions import Fraction
from typing import Any

import mpmath  # type: ignore[import-untyped]
import sympy  # type: ignore[import-untyped]
from latex2sympy2_extended.latex2sympy2 import ConversionConfig, latex2sympy  # type: ignore[import-untyped]

from selfagg.scoring.answers.normalise import bracketed, split
from selfagg.scoring.answers.values import Unreadable, Value, number, rounded_key

DIGITS = 250
"""Significant digits by which two irrational numbers are compared."""

_WORKING = DIGITS + 50
_LARGEST = 100_000.0  # digits of the largest number that is written out; above it, logarithms are compared
_WHOLE = frozenset("ijklmnN")  # letters that stand for integers by custom

_SETTINGS = ConversionConfig(lowercase_symbols=False)
_TRIGONOMETRIC = re.compile(r"\\(?:arc)?(?:sin|cos|tan|cot|sec|csc)")
_SEVERAL = re.compile(r"\\(?:gcd|lcm|max|min|operatorname)")
_NO_FORMULA = re.compile(
    r"\\text|\\ldots|\\cancel|[0-9]\s+[0-9]+(?!/)(?![0-9]*/)|\{\s*\}\{|\\sqrt\{\s*\}|[?<>;]|[0-9]\'"
)


def _mixed(whole: str, top: str, bottom: str) -> str:
    return rf"({whole}+\frac{{{top}}}{{{bottom}}})" if int(top) < int(bottom) else ""


_REWRITTEN = (
    (re.compile(r"(?<=[A-Za-z)}])'+"), lambda m: "_{prime}" if len(m[0]) == 1 else "_{second}"),
    (
        re.compile(r"(?<![0-9.}\\])([0-9]+)\s*\\frac\{([0-9]+)\}\{([0-9]+)\}"),
        lambda m: _mixed(*m.groups()) or rf"({m[1]}\cdot \frac{{{m[2]}}}{{{m[3]}}})",
    ),
    (re.compile(r"(?<![0-9./])([0-9]+) +([0-9]+)/([0-9]+)(?![0-9.])"), lambda m: _mixed(*m.groups()) or "?"),
    (
        re.compile(r"[0-9]+\.[0-9]+|\.[0-9]+|[0-9]+\.(?![0-9])"),
        lambda m: re.sub(r"(.+)/(.+)", r"(\\frac{\1}{\2})", str(Fraction(m[0].rstrip(".")))),
    ),
    (re.compile(r"(?<!\^[0-9])(?<=[0-9)])\s*\((?!\\frac\{[0-9]+\}\{10*\}\))"), lambda m: r"\cdot ("),
    (re.compile(r"\^\{\s*\}"), lambda m: ""),
)


RELATION = re.compile(r"<|>|\\(?:le|ge|ne|in|notin)(?![a-z])")
_SIGN = re.compile(r"<|>|\\(?:le|ge|ne)(?![a-z])|=")
_SETS = {
    r"\mathbb{R}": sympy.S.Reals,
    r"\emptyset": sympy.S.EmptySet,
    r"\{\}": sympy.S.EmptySet,
    r"\mathbb{Z}": sympy.S.Integers,
    r"\mathbb{N}": sympy.S.Naturals,
    r"\mathbb{Q}": sympy.S.Rationals,
}
_OPERATIONS = (
    (r"\\cup(?![a-z])|\\text\{\s*or\s*\}|\\lor(?![a-z])", sympy.Union),
    (r"\\cap(?![a-z])|\\text\{\s*and\s*\}|,|\\land(?![a-z])", sympy.Intersection),
)
_RELATIONS = {"<": sympy.Lt, ">": sympy.Gt, r"\le": sympy.Le, r"\ge": sympy.Ge, r"\ne": sympy.Ne, "=": sympy.Eq}


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


def value_of(expression: Any) -> Value:
    """Return the value of a number or a formula."""
    expression = _with_imaginary_unit(sympy.sympify(expression))
    has_letters = expression.free_symbols or expression.atoms(sympy.core.function.AppliedUndef)
    return _formula(expression) if has_letters else _number(expression)


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

    def is_odd_root(part: Any) -> bool:
        if not isinstance(part, sympy.Pow) or not part.exp.is_Rational or part.exp.q % 2 == 0 or part.exp.q == 1:
            return False
        return bool(part.base.is_number and part.base.is_extended_negative)

    return expression.replace(is_odd_root, lambda root: (-1) ** (root.exp.p % 2) * (-root.base) ** root.exp)


def _number(expression: Any) -> Value:
    if _size(expression) > _LARGEST:  # the key is that of the logarithm, which may be too large itself, and so on
        negative = expression.could_extract_minus_sign()
        logarithm = _logarithm(-expression if negative else expression)
        return Value("number", (f"{'-' if negative else ''}exp {_number(logarithm).key}",))
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
        bounds = [bounds for _, *bounds in expression.limits if len(bounds) == 2 and sympy.oo not in bounds]
        terms = [_magnitude(end - start) for start, end in bounds if not start.free_symbols | end.free_symbols]
        return inner if all(count <= 10_000 for count in terms) else float("inf")
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


def _magnitude(expression: Any) -> float:
    try:
        return abs(float(expression.evalf(15)))
    except (TypeError, ValueError, OverflowError):
        return float("inf")


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
    return [{symbol: _coordinate(symbol.name, sample) for symbol in symbols} for sample in range(4)]


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


def region_key(text: str) -> str:
    """Return the canonical key of the set of real numbers that a text describes; Unreadable where it describes none."""
    try:
        return _key(_region(text))
    except (TypeError, ValueError, NotImplementedError) as error:  # what sympy raises of numbers that are not real
        raise Unreadable("no set of real numbers") from error


def relation_key(text: str) -> str:
    """Return the key of inequalities that describe no set of numbers: between several unknowns."""
    found = []
    for left, relation, right in _pairs(text):
        one, other = expression(left), expression(right)
        if relation in (">", r"\ge"):
            one, other, relation = other, one, {">": "<", r"\ge": r"\le"}[relation]
        try:
            found.append(f"{relation} {proportional_key(one - other, positive=relation != chr(92) + 'ne')}")
        except Unreadable:
            found.append(f"{value_of(one).key} {relation} {value_of(other).key}")
    return "relation " + " ; ".join(sorted(found))


def _region(text: str) -> Any:
    text = text.strip()
    if (known := _SETS.get(re.sub(r"\s", "", text))) is not None:
        return known
    for separator, operation in _OPERATIONS:
        if len(parts := split(text, separator)) > 1:
            return operation(*map(_region, parts))
    if len(parts := split(text, r"\\setminus(?![a-z])|\\backslash(?![a-z])")) == 2:
        return sympy.Complement(*map(_region, parts))
    if (inside := bracketed(text)) is not None:
        parts = split(inside, "[,;]")
        if text.startswith("\\"):
            return sympy.FiniteSet(*(expression(part).doit() for part in parts if part))
        return _interval(text, parts) if len(parts) == 2 else _region(inside)
    if len(parts := split(text, r"\\in(?![a-z])")) == 2:
        return _region(parts[1])
    return sympy.Intersection(*(_inequality(*pair) for pair in _pairs(text)))


def _key(found: Any) -> str:
    if found in (sympy.S.Reals, sympy.Interval(-sympy.oo, sympy.oo)):
        return "range R"
    if isinstance(found, sympy.Union):
        return "range " + " or ".join(sorted(map(_key, found.args)))
    if isinstance(found, sympy.FiniteSet):
        return "set " + " ; ".join(sorted(value_of(element).key for element in found))
    if isinstance(found, sympy.Interval):
        left, right = "(" if found.left_open else "[", ")" if found.right_open else "]"
        return f"range {left}{value_of(found.start).key} , {value_of(found.end).key}{right}"
    if found is sympy.S.EmptySet:
        return "set "
    if isinstance(found, sympy.Set):
        return f"range {found}"
    raise Unreadable("no set")


def _interval(text: str, ends: list[str]) -> Any:
    start, end = (expression(part).doit() for part in ends)
    if start.is_comparable and end.is_comparable and not start < end and not (start == end and text[0] == "["):
        raise Unreadable("an interval that ends before it begins")
    return sympy.Interval(start, end, text[0] == "(", text[-1] == ")")


def _pairs(text: str) -> list[tuple[str, str, str]]:
    sides, relations = split(text, _SIGN.pattern), _SIGN.findall(text)
    if len(sides) < 2 or len(relations) != len(sides) - 1:
        raise Unreadable("no relation")
    return list(zip(sides[:-1], relations, sides[1:], strict=True))


def _inequality(left: str, relation: str, right: str) -> Any:
    difference = (expression(left) - expression(right)).doit()
    unknowns = difference.free_symbols
    if len(unknowns) != 1 or difference.atoms(sympy.core.function.AppliedUndef):
        raise Unreadable("not one unknown")
    polynomial = difference.as_poly(*unknowns)
    if not difference.has(sympy.Abs) if polynomial is None else polynomial.degree() > 4:
        raise Unreadable("too hard")
    return _RELATIONS[relation](difference, 0).as_set()
