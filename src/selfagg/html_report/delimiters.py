r"""Rules for markdown-it: formulas in ``\( \)``, ``\[ \]``, bare ``\boxed{}``; answers of several lines as they are."""

from __future__ import annotations

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

_CLOSING = {r"\(": r"\)", r"\[": r"\]"}
_BOX = r"\boxed{"
_FARTHEST = 4_000
_BOX_FARTHEST = 500
"""Characters from an opening to its closing; a search without end would make hostile text slow."""


def delimiters_plugin(md: MarkdownIt) -> None:
    """Add the rules; their tokens are ``math_brackets``, ``math_brackets_block``, ``math_box`` and ``answer``."""
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
