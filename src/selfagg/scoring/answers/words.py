r"""Words in an answer: a unit, a remark around the value, or the answer itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from selfagg.scoring.answers.numbers import Unreadable
from selfagg.scoring.answers.plain import text_value
from selfagg.scoring.answers.units import unit
from selfagg.scoring.answers.values import Value

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


def mark_words(text: str) -> str:
    r"""Return text with bare words in ``\text{}``, as others write them."""
    pieces = re.split(r"(\\text\{[^{}]*\}|\\(?:begin|end)\{[a-z]*\}(?:\{[a-z|]*\})?)", text)
    marked = [
        piece if piece.startswith("\\") and piece.endswith("}") else _WORD.sub(_marked, piece) for piece in pieces
    ]
    joined = re.sub(_SCALE, lambda match: rf"\cdot 10^{{{_SCALES[match[1]]}}}\text{{", "".join(marked)).replace(
        r"\text{}", ""
    )
    return re.sub(r"\\text\{([^{}]*)\}(\s*)\\text\{([^{}]*)\}", r"\\text{\1 \3}", joined)


def _marked(match: re.Match[str]) -> str:
    words, after = match[0], match.string[match.end() : match.end() + 1]
    if ("/" in words or after == "^") and unit(words) is None:
        return words
    first = re.split(r"[ ,]", words)[0].rstrip(".")
    is_product = len(words.rstrip(".")) <= 3 and words.islower() and not _SHORT.fullmatch(words.rstrip("."))
    if _SHORT.fullmatch(words.rstrip(".").lower()) and not words.islower():
        return rf"\text{{{words}}}"
    is_figure = (first.isupper() and match.start() + len(words) < len(match.string.rstrip())) or (
        first == words and first.isupper() and match.start() > 0
    )
    if is_product or is_figure:
        return words
    return rf"\text{{{words}}}"


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
    if not values and (parts := _listed(text)):
        return value(",".join(rf"\text{{{part}}}" for part in parts))
    if not values or _COUNTS.search(words):
        return text_value(text)
    for lead, piece in pairwise(pieces):
        if piece == values[-1] and re.search(r"(?:\bis|\bequals|=|:)\s*\}$", lead):
            return value(piece.strip(" .,;:"))
    last_is_remark = len(values) == 2 and pieces[0] == values[0] and not re.search(r"[0-9]", values[1])
    if len(values) == 1 or (last_is_remark and not unit(re.sub(r"\\text|[{}]", "", pieces[1]))):
        return value(values[0].strip(" .,;:"))
    raise Unreadable("words between its values")


def _listed(text: str) -> list[str]:
    """Return the names in "Alice, Bob and Carol"; nothing where the text is no list of names."""
    parts = [
        part.strip() for part in re.split(r"(?i:,\s*(?:and\b|or\b)?|\band\b|\bor\b)", re.sub(r"\\text|[{}]", "", text))
    ]
    return parts if len(parts) > 1 and all(0 < len(part.split()) <= 3 for part in parts) else []
