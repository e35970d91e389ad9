"""The borders between an answer's parts: brackets, and separators outside of brackets."""

from __future__ import annotations

import re

_DEEPEST = 40
_TOKEN = re.compile(r"\\[{}]|\\begin\{|\\end\{\w+\}|[(\[{)\]}]")


def _levels(text: str) -> list[tuple[int, int, int]]:
    """Start and end of each bracket, and the depth after it."""
    depth, found = 0, []
    for match in _TOKEN.finditer(text):
        depth += 1 if match[0][-1] in "([{" and not match[0].startswith(r"\end") else -1
        if match[0].startswith(r"\begin"):
            depth += 1  # its own brace closes next
        found.append((match.start(), match.end(), depth))
    return found


def is_sane(text: str) -> bool:
    """Return True if brackets nest no deeper than in any honest answer; readers take very long over others."""
    return all(abs(depth) <= _DEEPEST for _, _, depth in _levels(text))


def split(text: str, separator: str) -> list[str]:
    """Return the parts of a text between separators (a pattern) that stand in no bracket, stripped."""
    brackets = _levels(text)
    parts, start = [], 0
    for match in re.finditer(separator, text):
        depth = next((level for _, end, level in reversed(brackets) if end <= match.start()), 0)
        inside = any(begin < match.end() and match.start() < end for begin, end, _ in brackets if end - begin > 1)
        if depth == 0 and not inside and match.start() >= start:
            parts.append(text[start : match.start()].strip())
            start = match.end()
    return [*parts, text[start:].strip()]


def bracketed(text: str) -> str | None:
    """Return the content of the brackets around the whole text, of whichever kind, or None."""
    brackets = _levels(text)
    if len(brackets) < 2 or brackets[0][0] != 0 or brackets[-1][1] != len(text):
        return None
    if text[0] not in "([" and not text.startswith(r"\{"):
        return None
    if brackets[-1][2] != 0 or any(depth <= 0 for _, _, depth in brackets[:-1]):
        return None
    return text[brackets[0][1] : brackets[-1][0]].strip()
