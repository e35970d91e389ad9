r"""LaTeX formulas as MathML nodes, which browsers typeset by themselves; what cannot be read stays as written."""

from __future__ import annotations

import functools
import html
import re
from typing import Any
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert_to_element

LONGEST = 4_000
"""Characters of a formula."""

_DEEPEST = 60
_UNKNOWN_COMMAND = re.compile(r"\\[A-Za-z]")
_NUMBERED = re.compile(r"\\(begin|end)\{(align|equation|gather)\}")
_ATTRIBUTES = {
    *("display", "displaystyle", "scriptlevel", "stretchy", "fence", "form", "accent", "linethickness"),
    *("columnalign", "mathvariant", "width", "minsize", "maxsize"),
}


@functools.lru_cache(maxsize=50_000)
def _mathml(latex: str, block: bool) -> list[Any] | None:
    if len(latex) > LONGEST or _depth(latex) > _DEEPEST:
        return None
    try:
        latex = _NUMBERED.sub(r"\\\1{\2*}", latex)
        found = _node(convert_to_element(latex, display="block" if block else "inline"))
    except Exception:  # the converter raises whatever it stumbles on; the formula then stays text
        return None
    return found


def formula(latex: str, block: bool) -> list[Any]:
    """Return a formula: ``["math", ...]``, or ``["code", ...]`` with its source if it is no LaTeX that can be read.

    Args:
        latex: The source, without its delimiters.
        block: True if it stands on lines of its own.
    """
    latex = latex.strip()
    return _mathml(latex, block) or ["code", {"class": "tex"}, latex]


def _depth(latex: str) -> int:
    depth = deepest = 0
    for character in latex:
        depth += (character == "{") - (character == "}")
        deepest = max(deepest, depth)
    return deepest + latex.count(r"\left") + latex.count(r"\begin")


def _node(element: Element) -> list[Any]:
    name, attributes = element.tag, {key: value for key, value in element.attrib.items() if key in _ATTRIBUTES}
    if name == "menclose":  # browsers of today do not draw it
        name, attributes = "mrow", {"class": "box"} if "box" in element.get("notation", "") else {}
    text = html.unescape(element.text or "")
    if name in ("mi", "mo") and _UNKNOWN_COMMAND.match(text):
        raise ValueError(text)
    node: list[Any] = [name]
    if attributes:
        node.append(attributes)
    if text.strip() or name == "mtext":
        node.append(text)
    node.extend(_node(child) for child in element)
    return node
