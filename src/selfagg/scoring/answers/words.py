r"""Words in an answer: a unit, a remark around the value, or the answer itself."""

from __future__ import annotations

import re
from collections.abc import Callable

from selfagg.scoring.answers.numbers import Unreadable
from selfagg.scoring.answers.plain import text_value
from selfagg.scoring.answers.units import unit
from selfagg.scoring.answers.values import Value

SEPARATOR = r",?\s*\\text\{\s*,?\s*(?:and|or)\s*\}|[,;]|\\&|(?<![&\\])&"
r"""Between the elements of a list that has no brackets."""

_WORD = re.compile(r"(?<![\\A-Za-z_{^])[A-Za-z]{2,}(?:['-][A-Za-z]+)*(?![A-Za-z(_{])(?:[ ,]+(?:[A-Za-z]{2,}|[aI])(?![A-Za-z(_{^]))*\.?")
_SHORT = frozenset(
    "no on in of is to so or as at by an it be we if yes odd not the and are for all one two six ten red new old has can "
    "was its any sum am pm cm km mm dm kg mg ft lb hr mi oz in yd min sec mph day deg pct mod sq cu per way men usd eur gbp".split()
)
_COUNTS = re.compile(
    r"\b(?:not|no|none|never|cannot|impossible|undefined|except|least|most|more|less|greater|fewer|over|under|between|"
    r"before|after|minus|plus|times|true|false|yes|a\.?m|p\.?m|january|february|march|april|may|june|july|august|"
    r"september|october|november|december|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b",
    re.IGNORECASE,
)
REMARK = re.compile(r"(?<=[^\s(,])\s*\((?:[^()]|\([^()]*\))*(?:\\text|\\approx)(?:[^()]|\([^()]*\))*\)$")
"""In parentheses at the end."""

DATE = re.compile(r"\b(?:jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec)[a-z]*\b", re.IGNORECASE)


def mark_words(text: str) -> str:
    r"""Return text with bare words in ``\text{}``, as others write them."""
    pieces = re.split(r"(\\text\{[^{}]*\}|\\(?:begin|end)\{[a-z]*\}(?:\{[a-z|]*\})?)", text)
    marked = [piece if piece.startswith("\\") and piece.endswith("}") else _WORD.sub(_marked, piece) for piece in pieces]
    joined = "".join(marked)
    return re.sub(r"\\text\{([^{}]*)\}(\s*)\\text\{([^{}]*)\}", r"\\text{\1 \3}", joined)


def _marked(match: re.Match[str]) -> str:
    words = match[0]
    first = re.split(r"[ ,]", words)[0].rstrip(".")
    is_product = len(words.rstrip(".")) <= 3 and words.islower() and words.rstrip(".") not in _SHORT
    if words.rstrip(".").lower() in _SHORT and not words.islower():
        return rf"\text{{{words}}}"
    is_figure = first.isupper() and match.start() + len(words) < len(match.string.rstrip()) or first == words and first.isupper() and match.start() > 0
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
    if not values or _COUNTS.search(words):
        return text_value(text)
    if re.search(r"(?:\bis|\bare|\bequals|=|:)\s*\}$", next((p for p in reversed(pieces[:-1]) if p.startswith(r"\text")), "")):
        return value(pieces[-1].strip(" .,;:"))
    last_is_remark = len(values) == 2 and pieces.index(values[0]) == 0
    if len(values) == 1 or (last_is_remark and not unit(re.sub(r"\\text|[{}]", "", pieces[1]))):
        return value(values[0].strip(" .,;:"))
    raise Unreadable("words between its values")
