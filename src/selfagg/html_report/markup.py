"""Model text as safe nodes: structure by markdown-it, mathematics as MathML, code coloured by Pygments.

A node is a string, or a list ``[name, attributes?, *children]``, as `selfagg.html_report.formulas` makes them too.
Nothing that a model wrote becomes a name or an attribute that matters: the page builds elements only from its own
list of names, links and images stay text, and HTML in a reply is text like any other.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.amsmath import amsmath_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin

from selfagg.html_report.formulas import formula

Node: TypeAlias = str | list[Any]

LONGEST = 200_000
"""Characters; a longer text is shown as it is, since no reader wants it typeset."""

_LONGEST_CODE = 20_000
_NESTING = 40
_NAMES = {name: name for name in ("blockquote", "strong", "em", "s", "table", "thead", "tbody", "tr", "th", "td")} | {
    "paragraph": "p",
    "bullet_list": "ul",
    "ordered_list": "ol",
    "list_item": "li",
}
_COLOURED = {
    **{"Comment": "c", "Literal.String": "s", "Literal.Number": "n", "Keyword": "k", "Operator.Word": "k"},
    **dict.fromkeys(("Name.Function", "Name.Class", "Name.Builtin", "Name.Decorator"), "f"),
}
"""The class of each kind of piece that Pygments finds."""

_CLOSING = {r"\(": r"\)", r"\[": r"\]"}
_BOX = r"\boxed{"
_FARTHEST = 4_000
_BOX_FARTHEST = 500
"""Characters from an opening to its closing; a search without end would make hostile text slow."""


@functools.cache
def _parser() -> MarkdownIt:
    # An indented block is prose far more often than code in what models write, and a bare URL stays as it is.
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": _NESTING})
    parser = parser.enable(["table", "strikethrough"]).disable(["code", "html_block", "html_inline", "reference"])
    return (
        parser.use(dollarmath_plugin, allow_labels=False, allow_space=False, allow_digits=False, double_inline=True)
        .use(amsmath_plugin)
        .use(_delimiters)
    )


def nodes(text: str) -> list[Node]:
    """Return the nodes of one text; never raise. It costs about 2 seconds a megabyte."""
    if len(text) > LONGEST:
        return [text]
    return _merged(_children(iter(_parser().parse(text))))


def _children(tokens: Iterator[Token]) -> list[Node]:
    """Read tokens up to the one that closes this level."""
    found: list[Node] = []
    for token in tokens:
        if token.nesting < 0:
            break
        if token.nesting > 0:
            inner = _children(tokens)
            found += inner if token.hidden else [_element(token, _merged(inner))]
        elif token.type == "inline":
            found += _children(iter(token.children or []))
        else:
            found += _leaf(token)
    return found


def _element(token: Token, inner: list[Node]) -> Node:
    kind = token.type.removesuffix("_open")
    if kind == "heading":
        return ["h", {"level": token.tag[1:]}, *inner]
    if kind == "ordered_list" and (start := token.attrs.get("start")) is not None:
        return ["ol", {"start": str(start)}, *inner]
    if kind == "link":
        target = str(token.attrs.get("href", ""))
        return ["span", *inner, *([] if inner == [target] else [f" <{target}>"])]
    return [_NAMES.get(kind, "span"), *inner]


def _leaf(token: Token) -> list[Node]:
    match token.type:
        case "softbreak":
            return ["\n"]
        case "hardbreak":
            return [["br"]]
        case "hr":
            return [["hr"]]
        case "code_inline":
            return [["code", token.content]]
        case "fence" | "code_block":
            return [["pre", ["code", *coloured(token.content, token.info)]]]
        case "answer":
            return [["pre", ["code", f"<answer>{token.content}</answer>"]]]
        case "image":
            return [f"![{token.content}]({token.attrs.get('src', '')})"]
        case "math_inline" | "math_brackets" | "math_box":
            return [formula(token.content, False)]
        case "math_inline_double" | "math_block" | "math_brackets_block" | "amsmath":
            return [formula(token.content, True)]
    return [token.content]


@functools.lru_cache(maxsize=1_000)
def coloured(code: str, language: str) -> list[Node]:
    """Return code as pieces of text, some with the class of a comment, string, number, keyword or name."""
    from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
    from pygments.util import ClassNotFound  # type: ignore[import-untyped]

    if len(code) > _LONGEST_CODE:
        return [code]
    try:
        lexer = get_lexer_by_name(re.sub(r"\W.*", "", language), stripnl=False, ensurenl=False)
    except ClassNotFound:
        return [code]
    return _merged([_piece(str(kind), text) for kind, text in lexer.get_tokens(code)])


def _piece(kind: str, text: str) -> Node:
    found = (short for name, short in _COLOURED.items() if kind.removeprefix("Token.").startswith(name))
    short = next(found, None)
    return ["span", {"class": short}, text] if short else text


def _merged(found: list[Node]) -> list[Node]:
    """Merge neighbouring texts into one."""
    merged: list[Node] = []
    for node in found:
        if isinstance(node, str) and merged and isinstance(merged[-1], str):
            merged[-1] += node
        elif node != "":
            merged.append(node)
    return merged


def _delimiters(md: MarkdownIt) -> None:
    r"""Add rules: formulas in ``\( \)``, ``\[ \]``, bare ``\boxed{}``; answers of several lines as they are."""
    md.inline.ruler.before("escape", "math_brackets", _inline)
    md.inline.ruler.before("escape", "math_box", _box)
    ends: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    md.block.ruler.before("fence", "math_brackets_block", _block, ends)
    md.block.ruler.before("fence", "answer", _answer, ends)


def _inline(state: StateInline, silent: bool) -> bool:
    opening = state.src[state.pos : state.pos + 2]
    if opening not in _CLOSING:
        return False
    end = state.src.find(_CLOSING[opening], state.pos + 2, min(state.posMax, state.pos + _FARTHEST))
    if end < 0 or not state.src[state.pos + 2 : end].strip():
        return False
    if not silent:
        name = "math_brackets_block" if opening == r"\[" else "math_brackets"
        state.push(name, "math", 0).content = state.src[state.pos + 2 : end]
    state.pos = end + 2
    return True


def _box(state: StateInline, silent: bool) -> bool:
    if not state.src.startswith(_BOX, state.pos) or state.src.find("}", state.pos, state.posMax) < 0:
        return False
    depth = 1
    for end in range(state.pos + len(_BOX), min(state.posMax, state.pos + _BOX_FARTHEST)):
        depth += {"{": 1, "}": -1}.get(state.src[end], 0)
        if depth == 0:
            if not silent:
                state.push("math_box", "math", 0).content = state.src[state.pos : end + 1]
            state.pos = end + 1
            return True
    return False


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    r"""Read from a line that begins with ``\[`` to the line that ends with ``\]``: nothing between them is markdown."""
    return _verbatim(state, (start, end), (r"\[", r"\]"), "math_brackets_block", silent)


def _answer(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read lines from ``<answer>`` to ``</answer>``: a grid or a board, in which every character has its place."""
    first = state.bMarks[start] + state.tShift[start]
    close = state.src.find("</answer>", first, first + _FARTHEST)
    if "\n" not in state.src[first : max(first, close)]:
        return False
    return _verbatim(state, (start, end), ("<answer>", "</answer>"), "answer", silent)


def _verbatim(state: StateBlock, lines: tuple[int, int], marks: tuple[str, str], name: str, silent: bool) -> bool:
    """Make one token of all that stands between two marks, if the first begins a line and the second ends one."""
    start, end = lines
    opening, closing = marks
    first = state.bMarks[start] + state.tShift[start]
    if not state.src.startswith(opening, first):
        return False
    close = state.src.find(closing, first + len(opening), first + _FARTHEST)
    last = next((line for line in range(start, end) if close <= state.eMarks[line]), None)
    if close < 0 or last is None or state.src[close + len(closing) : state.eMarks[last]].strip(" .,;:"):
        return False
    if not silent:
        token = state.push(name, "", 0)
        token.content = state.src[first + len(opening) : close]
        token.map = [start, last + 1]
        state.line = last + 1
    return True
