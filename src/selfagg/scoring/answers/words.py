r"""Words in an answer: a unit, a remark around the value, or the answer itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import sympy  # type: ignore[import-untyped]

from selfagg.scoring.answers.formulas import expression, value_of
from selfagg.scoring.answers.values import Unreadable, Value, exact_key, plain_number, text_value

SEPARATOR = r",?\s*\\text\{\s*,?\s*(?i:and|or)\s*\}|[,;]|\\&|(?<![&\\])&"
r"""Between the elements of a list that has no brackets."""

_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_SCALE = re.compile(rf"(?<=[0-9])\s*\\text\{{\s*({'|'.join(_SCALES)})(?![a-z])\s*")
_WORD = re.compile(
    r"(?<![\\A-Za-z_{^])[A-Za-z]{2,}(?:['/-][A-Za-z]+)*(?![A-Za-z(_{])"
    r"(?:[ ,]+(?:[A-Za-z]{2,}|[aI])(?![A-Za-z(_{^]))*\.?"
)
_SHORT = re.compile(
    r"no|on|in|of|is|to|so|or|as|at|by|an|it|be|we|if|yes|odd|not|the|and|are|for|all|one|two|six|ten|red|new|"
    r"old|has|can|was|its|any|sum|am|pm|cm|km|mm|dm|kg|mg|ft|lb|hr|mi|oz|in|yd|min|sec|mph|day|deg|pct|mod|sq|cu|"
    r"per|way|men|usd|eur|gbp"
)
_COUNTS = re.compile(
    r"\b(?:not|no|none|never|cannot|impossible|undefined|except|least|most|more|less|greater|fewer|over|under|between|"
    r"half|third|quarter|twice|double|triple|square root|squared|cubed|roots?|factorial|negative|multiples?|divisible|"
    r"divisors?|factors?|powers?|reciprocal|inverse|dozens?|but|without|besides|other|every|up to|"
    r"before|after|minus|plus|times|true|false|yes|a\.?m|p\.?m|january|february|march|april|may|june|july|august|"
    r"september|october|november|december|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b",
    re.IGNORECASE,
)
REMARK = re.compile(r"(?<=[^\s(,])\s*\((?:[^()]|\([^()]*\))*(?:\\text|\\approx)(?:[^()]|\([^()]*\))*\)$")
"""In parentheses at the end."""

REASON = re.compile(
    r"(?<=\S),?\s*\\text\{\s*(?:since|because|where|for all|for every|for any|for some|given|provided)\b.*$"
)
"""A remark on why or for whom a value holds."""

DATE = re.compile(r"\b(?:jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec)[a-z]*\b", re.IGNORECASE)

_TABLE = """
length 1 m meter metre; 1/1000 mm millimeter millimetre; 1/100 cm centimeter centimetre; 1/10 dm; 1/1000000 μm micron
length 1000 km kilometer kilometre
length 127/5000 inch in ″; 381/1250 ft foot feet; 1143/1250 yd yard; 201168/125 mi mile
mass 1 g gram; 1/1000 mg milligram; 1000 kg kilogram; 1000000 tonne; 45359237/100000 lb pound
time 1 s sec second; 60 min minute; 3600 h hr hour; 86400 day; 604800 week; 2629800 month; 31557600 year yr
volume 1 L l liter litre; 1/1000 mL ml milliliter millilitre; 3 gal gallon
angle 1 rad radian
temperature 1 K kelvin
celsius 1 °C celsius
fahrenheit 1 °F fahrenheit
usd 1 $ dollar usd; 1/100 ¢ cent
eur 1 € euro eur
gbp 1 £ gbp
jpy 1 ¥ yen jpy
inr 1 ₹ rupee inr
rub 1 ₽ rouble ruble
current 1 A ampere amp
voltage 1 V volt; 1000 kV
resistance 1 Ω ohm
force 1 N newton; 1000 kN
energy 1 J joule; 1000 kJ
power 1 W watt; 1000 kW
pressure 1 Pa pascal
frequency 1 Hz hertz
amount 1 mol mole
speed 1397/3125 mph
- 1 unit; 1/100 % percent pct percentage
"""
_UNITS: dict[str, tuple[str, Fraction]] = {}
for _line in _TABLE.split("\n"):
    _dimension, _, _rest = _line.partition(" ")
    for _entry in filter(None, _rest.split("; ")):
        _factor, *_names = _entry.split()
        _UNITS |= {name: (_dimension.strip("-"), Fraction(_factor)) for name in _names}
_PART = re.compile(
    r"(?P<op>/|per(?![a-z])|[·*]|)\s*(?P<power>(?:square|sq|cubic|cu)\.?\s+|)(?P<name>[^\W\d_]+|[$€£¥₹₽¢%]|[°″][CFK]?)\.?\s*(?:\^\{?(?P<exponent>-?[0-9])\}?)?\s*"
)
_MARKS = {"''": "in", '"': "in", "'": "ft", r"\Omega": "ohm"}
_TAIL = re.compile(
    r"(?P<value>.*?[0-9A-Za-z)}|!\s])\s*(?P<unit>(?:\s*(?:\\text\{[^{}]*\}(?:\s*\^\s*\{?-?[0-9]\}?)?|[/·]|\\cdot|"
    r"\\frac\s*\{\s*\\text\{[^{}]*\}\s*\}\s*\{\s*\\text\{[^{}]*\}(?:\^\{?[0-9]\}?)?\s*\}))+)"
)
_LETTER_UNIT = re.compile(
    r"(?P<value>[-+]?[0-9][0-9.,/]*|.*\})(?:\s+(?P<unit>[msgNJWVAKLh]|m\s*/\s*s)|\s*(?P<power>m\s*\^\s*\{?[23]\}?))"
)
_MARK = re.compile(
    r"(?P<value>.*[^\s\\'])\s*(?P<unit>\^\\circ|\\?%|\\text\{\s*(?:percent|percentage|pct|%)\s*\}|''|\"|'|\\Omega)"
)
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*\\text\{\s*([a-z]+)\s*\}")
_CURRENCY = re.compile(r"\\text\{(?P<unit>[^{}]*)\}\s*(?P<value>[-+]?[0-9.,]+)")


def unit(text: str) -> tuple[str, Fraction] | None:
    """Return dimension and factor of a unit such as ``km/h``, ``square inches``, ``kg·m^2``, or None if it is none."""
    dimensions: Counter[str] = Counter()
    factor, position, text = Fraction(1), 0, text.strip()
    while position < len(text):
        match = _PART.match(text, position)
        if not match or match.end() == position:
            return None
        name = match["name"]
        spellings = (name, name.lower(), name.lower().removesuffix("s"), name.lower().removesuffix("es"))
        known = next((_UNITS[spelling] for spelling in spellings if spelling in _UNITS), None)
        if known is None:
            return None
        power = int(match["exponent"] or 1) * {"": 1, "s": 2, "c": 3}[match["power"][:1]]
        power = -power if match["op"] in ("/", "per") else power
        dimensions[known[0]] += power
        factor *= known[1] ** power
        position = match.end()
    if not text:
        return None
    return "·".join(f"{name}^{power}" for name, power in sorted(dimensions.items()) if name and power), factor


def quantity(text: str, value: Callable[[str], Value]) -> Value | None:
    """Return a number with its unit, or None where the text ends in no unit; ``value`` reads the number."""
    if re.search(r"\\(?:arc)?(?:sin|cos|tan|cot|sec|csc)", text):
        return None
    if len(amounts := _AMOUNT.findall(text)) > 1 and not _AMOUNT.sub("", text).strip():  # three hours, thirty minutes
        units = [unit(name) for _, name in amounts]
        if len({known and known[0] for known in units}) != 1 or units[0] is None:
            return None
        pairs = zip(amounts, units, strict=True)
        total = sum((Fraction(count) * known[1] for (count, _), known in pairs if known), Fraction(0))
        return Value("quantity", (f"{exact_key(total)} {units[0][0]}",))
    for pattern in (_MARK, _CURRENCY, _TAIL, _LETTER_UNIT):
        if (match := pattern.fullmatch(text)) and (found := _measured(match, value, letter=pattern is _LETTER_UNIT)):
            return found
    return None


def _measured(match: re.Match[str], value: Callable[[str], Value], *, letter: bool) -> Value | None:
    written, spelled = match["value"].strip(), match["unit"] or (match["power"] if letter else "")
    spelled = re.sub(r"\\frac\s*\{(.*)\}\s*\{(.*)\}", r"\1/\2", spelled)
    spelled = re.sub(r"\\text\{([^{}]*)\}", r" \1 ", spelled).replace(r"\cdot", "·")
    if re.fullmatch(r"\s*(?:\^\\circ|deg(?:ree)?s?\.?)\s*", spelled):
        dimension, factor = "angle^1", sympy.pi / 180
    elif known := unit(_MARKS.get(spelled.strip(), spelled).replace("\\", "")):
        dimension, factor = known[0], sympy.Rational(known[1].numerator, known[1].denominator)
    else:
        return None
    plain = plain_number(written)
    if plain is None and re.search(r"[,;=<>]|\\(?:pm|cup|text|le|ge)", written):
        return None
    bare = value(written)
    exact = None if plain is None else sympy.Rational(*(int(part, 16) for part in plain.key.split("/")))
    base = value_of((expression(written) if exact is None else exact) * factor)
    if (dimension == "" and factor == 1) or not bare.kind.startswith(("number", "rounded", "formula")):
        return bare
    also = base.readings if dimension in ("", "angle^1", "usd^1") else ()
    literal = value_of(expression(f"{written} {spelled}")).readings if letter and "/" not in spelled else ()
    return Value("quantity", tuple(dict.fromkeys((f"{base.key} {dimension}", *also, *bare.readings, *literal))))


def mark_words(text: str) -> str:
    r"""Return text with bare words in ``\text{}``, as others write them."""
    pieces = re.split(r"(\\text\{[^{}]*\}|\\(?:begin|end)\{[a-z]*\}(?:\{[a-z|]*\})?)", text)
    text = "".join(
        piece if piece.startswith("\\") and piece.endswith("}") else _WORD.sub(_marked, piece) for piece in pieces
    )
    text = _SCALE.sub(lambda match: rf"\cdot 10^{{{_SCALES[match[1]]}}}\text{{", text).replace(r"\text{}", "")
    return re.sub(r"\\text\{([^{}]*)\}(\s*)\\text\{([^{}]*)\}", r"\\text{\1 \3}", text)


def _marked(match: re.Match[str]) -> str:
    words, after = match[0], match.string[match.end() : match.end() + 1]
    if ("/" in words or after == "^") and unit(words) is None:
        return words
    bare = words.rstrip(".")
    if _SHORT.fullmatch(bare.lower()) and not words.islower():
        return rf"\text{{{words}}}"
    is_product = len(bare) <= 3 and words.islower() and not _SHORT.fullmatch(bare)
    first = re.split(r"[ ,]", words)[0].rstrip(".")
    followed = match.start() + len(words) < len(match.string.rstrip())
    is_figure = first.isupper() and (followed or (first == words and match.start() > 0))
    return words if is_product or is_figure else rf"\text{{{words}}}"


def value_among_words(text: str, value: Callable[[str], Value]) -> Value:
    """Return the value that words surround, or the text where the words are the answer."""
    pieces = [piece.strip() for piece in re.split(r"(\\text\{[^{}]*\}(?:\s*\^\s*\{?[0-9]\}?)?)", text) if piece.strip()]
    words = " ".join(piece for piece in pieces if piece.startswith(r"\text"))
    values = [piece for piece in pieces if not piece.startswith(r"\text") and not re.fullmatch(r"[.,;:()]*", piece)]
    if not words:
        return value(text)
    if len(pieces) == 1 and re.fullmatch(r"\\text\{\s*\(?[A-Za-z]\)?\.?\s*\}", text):
        return value(re.sub(r"\\text|[{}().\s]", "", text))
    if match := re.fullmatch(
        r"\\text\{\s*(?i:the )?(?i:option|choice|answer|letter)(?: is)?:?\s*\(?([A-J])\)?\s*\}", text
    ):
        return value(match[1])
    if not values:  # names, as in "Alice, Bob and Carol", make a list
        names = re.split(r"(?i:,\s*(?:and\b|or\b)?|\band\b|\bor\b)", re.sub(r"\\text|[{}]", "", text))
        if len(names) > 1 and all(0 < len(name.split()) <= 3 for name in names):
            return value(",".join(rf"\text{{{name.strip()}}}" for name in names))
    if not values or _COUNTS.search(words):
        return text_value(text)
    for lead, piece in pairwise(pieces):
        if piece == values[-1] and re.search(r"(?:\bis|\bequals|=|:)\s*\}$", lead):
            return value(piece.strip(" .,;:"))
    last_is_remark = len(values) == 2 and pieces[0] == values[0] and not re.search(r"[0-9]", values[1])
    if len(values) == 1 or (last_is_remark and not unit(re.sub(r"\\text|[{}]", "", pieces[1]))):
        return value(values[0].strip(" .,;:"))
    raise Unreadable("words between its values")
