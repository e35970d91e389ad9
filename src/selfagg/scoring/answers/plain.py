"""Plain numbers and plain text, read without sympy: most answers are such, and need no worker process."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from selfagg.scoring.answers.values import Value, number

_LONGEST = 4_000  # digits that int() reads
_WRAPPED = re.compile(
    r"\\(?:text|textbf|textrm|textit|mathrm|mathbf|boldsymbol|bm)\s*\{([^{}]*)\}|\{([^{}]*)\}|\$([^$]*)\$|\\\((.*)\\\)"
)
_SPACE = re.compile(r"\\[,;:! ]|\\(?:quad|qquad|displaystyle)(?![a-zA-Z])|~")
_NUMBER = re.compile(r"([+-]?) ?([0-9]+)(?:\.([0-9]*))?|([+-]?) ?\.([0-9]+)")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:(?:,|\{,\})[0-9]{3})+(?:\.[0-9]+)?|[+-]?[1-9][0-9]{0,2}(?: [0-9]{3})+")
_FRACTION = re.compile(
    r"([+-]?) ?(?:([0-9]+) ?/ ?([0-9]+)|\\[dtc]?frac ?\{ ?([0-9]+) ?\} ?\{ ?([0-9]+) ?\}|\\[dtc]?frac ?([1-9])([1-9]))"
)
_MARKUP = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|mathrm|mathbf|mbox|left|right|[,;:! ]|q?quad)(?![a-z])|[{}$*`\"~]"
)


def plain_number(answer: str) -> Value | None:
    """Return the value of an integer, a decimal or a fraction of integers, or None for everything else."""
    if len(answer) > _LONGEST:
        return None
    text = unwrapped(answer)
    if _THOUSANDS.fullmatch(text):
        text = re.sub(r"[ ,{}]", "", text)
    if match := _NUMBER.fullmatch(text):
        whole, places = (match[2] or "0"), (match[3] or match[5] or "")
        sign = -1 if "-" in (match[1] or match[4] or "") else 1
        return number(sign * Fraction(int(whole + places), 10 ** len(places)), len(places))
    if match := _FRACTION.fullmatch(text):
        top, bottom = (int(group) for group in match.groups()[1:] if group)
        return number(Fraction(-top if match[1] == "-" else top, bottom)) if bottom else None
    return None


def unwrapped(answer: str) -> str:
    r"""Return an answer without full stop, dollars, fonts and spacing around it."""
    text = " ".join(_SPACE.sub(lambda match: "" if match[0] == r"\!" else " ", answer).split())
    for _ in range(10):
        if text.endswith(".") and not text.endswith(".."):
            text = text[:-1].rstrip()
        elif match := _WRAPPED.fullmatch(text):
            text = next(group for group in match.groups() if group is not None).strip()
        else:
            break
    return text


def text_value(answer: str) -> Value:
    """Return an answer that is no mathematics: text, whatever its case, spacing, fonts and full stop."""
    text = unicodedata.normalize("NFKC", answer)
    text = _MARKUP.sub(" ", text).casefold()
    text = re.sub(r"\b([ap])\.?\s?m\b\.?", r"\1m", text)
    text = re.sub(r"\s*([^\w\s])\s*", r"\1", " ".join(text.split())).strip(" .")
    return Value("text", (f"text {text or answer}",))
