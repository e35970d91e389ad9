"""Unicode as LaTeX: roots, fractions, raised digits, Greek letters, full-width and zero-width characters."""

from __future__ import annotations

import re
import unicodedata

_SYMBOLS = {
    "−–—‐‑‒﹣": "-",
    "×∙⋅·•": r" \cdot ",
    "÷": r" \div ",
    "∞": r" \infty ",
    "≤⩽": r" \le ",
    "≥⩾": r" \ge ",
    "≠": r" \ne ",
    "≈": r" \approx ",
    "±": r" \pm ",
    "∓": r" \mp ",
    "∪": r" \cup ",
    "∩": r" \cap ",
    "∈": r" \in ",
    "∅⌀": r" \emptyset ",
    "∖": r" \setminus ",
    "°º˚": r"^\circ ",
    "…⋯": r" \ldots ",
    "≡": r" \equiv ",
    "∠": r" \angle ",
    "→": r" \to ",
    "′’‘": "'",
    "″”“": '"',
    "、": ",",
    "。": ".",
    "⟨": r" \langle ",
    "⟩": r" \rangle ",
    "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}",
    "ℕ": r"\mathbb{N}",
    "ℚ": r"\mathbb{Q}",
    "ℂ": r"\mathbb{C}",
    "∎■□✓✔": "",
    "⁄∕": "/",
    "⌊": r"\lfloor ",
    "⌋": r"\rfloor ",
    "⌈": r"\lceil ",
    "⌉": r"\rceil ",
    "∑": r"\sum ",
    "∏": r"\prod ",
    "∫": r"\int ",
}
_UNICODE = {ord(char): text for chars, text in _SYMBOLS.items() for char in chars}
_GREEK = {
    ord(letter): f" \\{name} "
    for letter, name in zip(
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ",
        [
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "zeta",
            "eta",
            "theta",
            "iota",
            "kappa",
            "lambda",
            "mu",
            "nu",
            "xi",
            "pi",
            "rho",
            "sigma",
            "tau",
            "upsilon",
            "phi",
            "chi",
            "psi",
            "omega",
            "Gamma",
            "Delta",
            "Theta",
            "Lambda",
            "Xi",
            "Pi",
            "Sigma",
            "Phi",
            "Psi",
            "Omega",
        ],
        strict=True,
    )
}
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))


def without_unicode(text: str) -> str:
    """Return text whose mathematical characters are LaTeX."""
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+", lambda run: "^{" + "".join(_RAISED[char] for char in run[0]) + "}", text)
    text = re.sub("[₀₁₂₃₄₅₆₇₈₉]+", lambda run: "_{" + "".join(_LOWERED[char] for char in run[0]) + "}", text)
    text = re.sub(r"√\s*(?:([0-9.]+|[a-zA-Zπ])|(?=[({]))", lambda m: rf"\sqrt{{{m[1]}}}" if m[1] else r"\sqrt", text)
    text = text.translate(_UNICODE).translate(_GREEK)
    text = re.sub("[¼½¾⅐-⅞]", _vulgar_fraction, text)
    text = text.replace("∛", r"\sqrt[3]")
    text = unicodedata.normalize("NFKC", text)
    return "".join(char for char in text if unicodedata.category(char) != "Cf")


def _vulgar_fraction(match: re.Match[str]) -> str:
    top, bottom = unicodedata.normalize("NFKC", match[0]).split("⁄")
    return rf"\frac{{{top}}}{{{bottom}}}"
