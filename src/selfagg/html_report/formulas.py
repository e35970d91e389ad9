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
_NOT_DRAWN = re.compile(r"\\label\{[^{}]*\}|(?<=\\\\)(?:\*|\s*\[[-.\d]+ *[a-z]{2}\])")  # names, and gaps between lines
_ENVIRONMENT = re.compile(r"\\(begin|end)\{([A-Za-z]+)\*?\}(?:\s*\[[tbc]\])?(\s*\{\d+\})?")
_ALIGNED = (r"\begin{align*}", r"\end{align*}")
_LINES = (r"\begin{displaylines}", r"\end{displaylines}")
_DRAWN_AS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("align", "alignat", "aligned", "alignedat", "flalign", "split"), _ALIGNED),
    **dict.fromkeys(("gather", "gathered", "multline"), _LINES),
    **dict.fromkeys(("cases", "dcases"), (r"\begin{cases}", r"\end{cases}")),
    **dict.fromkeys(("rcases", "drcases"), (r"\left.\begin{array}{ll}", r"\end{array}\right\}")),
    **dict.fromkeys(("equation", "displaymath", "math"), ("{", "}")),
    "eqnarray": (r"\begin{array}{rcl}", r"\end{array}"),
}
"""LaTeX's environments in those that the converter knows; it would put the lines of the others into one."""

_ALSO_KNOWN = {"array", "smallmatrix", *(f"{kind}matrix" for kind in ("", *"pbBvV"))}
_ATTRIBUTES = {
    *("display", "displaystyle", "scriptlevel", "stretchy", "fence", "form", "accent", "linethickness"),
    *("columnalign", "mathvariant", "width", "minsize", "maxsize"),
}


@functools.lru_cache(maxsize=50_000)
def _mathml(latex: str, block: bool) -> list[Any] | None:
    if len(latex) > LONGEST or _depth(latex) > _DEEPEST:
        return None
    try:
        latex = _ENVIRONMENT.sub(_known_environment, _NOT_DRAWN.sub("", latex))
        element = convert_to_element(latex, display="block" if block else "inline")
        if element.find("./mrow/mspace[@linebreak]") is not None:  # lines outside of any environment
            begin, end = _LINES if element.find("./mrow/mi[.='&']") is None else _ALIGNED
            element = convert_to_element(f"{begin}{latex}{end}", display="block" if block else "inline")
        return _node(element)
    except Exception:  # the converter raises whatever it stumbles on; the formula then stays text
        return None


def _known_environment(match: re.Match[str]) -> str:
    """Return the beginning or the end of an environment as the converter knows it, without place and columns."""
    edge, name, columns = match.groups(default="")
    if name in _ALSO_KNOWN:
        return rf"\{edge}{{{name}}}{columns}"
    return _DRAWN_AS[name][edge == "end"] + ("" if name.startswith("align") else columns)


def formula(latex: str, block: bool) -> list[Any]:
    """Return a formula: ``["math", ...]``, or ``["code", ...]`` with its source if it is no LaTeX that can be read.

    Environments of lines (``aligned``, ``gather``, ``cases``, ...) are tables; an unknown environment is not read.

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
    if element.get("linebreak") or element.text == "&" or (name in ("mi", "mo") and _UNKNOWN_COMMAND.match(text)):
        raise ValueError(text)
    node: list[Any] = [name]
    if attributes:
        node.append(attributes)
    if text.strip() or name == "mtext":
        node.append(text)
    node.extend(_node(child) for child in element)
    return node
