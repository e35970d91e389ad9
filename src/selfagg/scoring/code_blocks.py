"""Find the program in a response, and complete what it completes."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_FENCE = re.compile(
    r"(?P<quote>(?:[ \t]*+>)++ ?)?(?P<bullet>[ \t]*+(?:[-*+]|\d{1,3}[.)])[ \t]++)?(?P<indent>[ \t]*+)"
    r"(?P<fence>`{3,}+|~{3,}+)(?P<mark>[^`]*)"
)
_AFTER_TEXT = re.compile(
    r"(?<![`~])(?P<fence>`{3,}+|~{3,}+)(?P<mark>[ \t]*+(?:python|py)[\d.]*)[ \t]*\Z", re.IGNORECASE
)
_PROSE = "code block"  # Text that follows a fence where the instruction is quoted: ``in one ```python code block``
_PYTHON = re.compile(r"\{?\.?(?:python|py)(?:[\d.]*|[ \t]+[\d.]+)(?![\w.+-]).*", re.IGNORECASE)
_END = re.compile(r"[ \t]*+(?P<fence>`{3,}+|~{3,}+)(?![\w{]).*")
_MARGIN = 3  # the columns by which a closing fence may stand further in than its opening, as in Markdown
_FUTURE = re.compile(r"^from __future__ import [^\n(]*(?:\([^)]{0,500}\))?[^\n]*\n?", re.MULTILINE)
_MOST_CHARACTERS = 1_000_000
_MOST_BARE = 20_000  # characters of the longest response without a code block that may be a program itself


@dataclass(slots=True)
class _Block:
    """A fenced block of a Markdown text; its start is the line of its opening fence."""

    python: bool | None  # None: it has no mark
    fence: str
    quote: str  # the marks of block quotation before each of its lines
    indent: str
    start: int
    end: int = 0
    lines: list[str] = field(default_factory=list)
    closed: bool = False


def program(text: str, function: str | None = None) -> str | None:
    """Return the program that a finished response states, or None.

    Of the blocks marked as Python the last that defines the function, else the last; without any, the same of the
    blocks without a mark; without these, the whole text where it is a program. What follows a solution is often a call
    of it, so a block without the function does not replace one that has it.
    """
    # Without byte order marks that an editor may have left.
    codes = [(block.python, "\n".join(block.lines).replace("\ufeff", "")) for block in _blocks(text)]
    codes = [(python, code) for python, code in codes if code.strip()]
    for marked in (True, None):
        if found := [code for python, code in codes if python is marked]:
            defining = [code for code in found if function and _defines(code, function)]
            code = (defining or found)[-1]
            return code if len(code) <= _MOST_CHARACTERS else None
    return text if not codes and _is_program(text) else None


def before_open_block(text: str) -> str:
    """Return a text up to the code block that it breaks off in; ``""`` where it holds no block that is closed."""
    blocks = [*_blocks(text)]
    if blocks and not blocks[-1].closed:
        text = "\n".join(text.split("\n")[: blocks[-1].start])
    return text if any(block.closed for block in blocks) else ""


def completed(prompt: str, code: str, function: str) -> str:
    """Return the whole program: a function's beginning and its continuation, or the whole function again.

    A continuation may have lost its indentation, all of it or that of its first line. Imports from ``__future__`` come
    first, as Python wants them.
    """
    if not _defines(code, function) and _is_body(code):
        code = _indented(code, _indent(prompt.rstrip().rpartition("\n")[2]) or "    ")
    future = "".join(line.rstrip("\n") + "\n" for line in _FUTURE.findall(code))
    return f"{future}{prompt}\n{_FUTURE.sub('', code)}\n"


def _blocks(text: str) -> Iterator[_Block]:
    """Yield the fenced blocks of a Markdown text; one that the text breaks off in is the last, and not closed."""
    lines = text.replace("\r\n", "\n").split("\n")
    place, wary = 0, True
    while (block := _opened(lines, place)) is not None:
        _fill(block, lines, wary=wary)
        if wary and not block.closed:
            wary = False  # once and for all, so that no text is read more than twice
            _fill(block, lines, wary=wary)
        yield block
        place = block.end + 1


def _opened(lines: Sequence[str], place: int) -> _Block | None:
    for number in range(place, len(lines)):
        line = lines[number]
        if (found := _FENCE.fullmatch(line)) is not None and _PROSE not in found["mark"]:
            mark = found["mark"].strip()
            python = _PYTHON.fullmatch(mark) is not None if mark.strip("{} \t") else None
            indent = " " * len(found["bullet"] or "") + found["indent"]
            return _Block(python, found["fence"], (found["quote"] or "").strip(), indent, number)
        if (found := _AFTER_TEXT.search(line)) is not None and "`" not in line[: found.start()]:
            return _Block(True, found["fence"], "", "", number)
    return None


def _fill(block: _Block, lines: Sequence[str], *, wary: bool) -> None:
    """Fill a block to its closing fence or the end; ``wary``: a fence in a string of three quotes is the program's."""
    content = block.lines = []
    block.end = block.start
    open_strings: set[str] = set()
    for number in range(block.start + 1, len(lines)):
        block.end = number
        line = lines[number]
        if block.quote:
            line = line.lstrip()
            for mark in block.quote.split():
                line = line.removeprefix(mark)
            line = line.removeprefix(" ")
        line = line.removeprefix(block.indent)
        found = _END.fullmatch(line)
        closes = found is not None and found["fence"].startswith(block.fence) and len(_indent(line)) <= _MARGIN
        if closes and not (wary and open_strings):
            block.closed = True
            return
        open_strings ^= {quote for quote in ('"""', "'''") if line.count(quote) % 2}
        content.append(line)
    for number, line in enumerate(content):  # a fence may stand behind the last line of code, not below it
        if line.rstrip().endswith(block.fence) and line.count(block.fence) == 1:
            block.lines = [*content[:number], line.rstrip().removesuffix(block.fence)]
            block.end, block.closed = block.start + 1 + number, True
            return


def _defines(code: str, function: str) -> bool:
    name = re.escape(function)
    return re.search(rf"^[ \t]*(?:async[ \t]+)?def[ \t]+{name}\b|^{name}[ \t]*=", code, re.MULTILINE) is not None


def _is_program(text: str) -> bool:
    """Return True if a text is Python that does something: hardly any prose is."""
    if len(text) > _MOST_BARE:
        return False
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(textwrap.dedent(text.replace("\ufeff", "")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, ast.Call | ast.FunctionDef | ast.ClassDef) for node in ast.walk(tree))


def _is_body(code: str) -> bool:
    """Return True if code is the body of a function: its first line is indented, or it returns outside of functions."""
    within = False
    for number, line in enumerate(line for line in code.split("\n") if line.strip()):
        if not _indent(line):
            within = line.startswith(("def ", "async def ", "class ", "@"))
        if (number == 0 and _indent(line)) or (not within and re.match(r"\s*(?:return|yield)\b", line)):
            return True
    return False


def _indented(code: str, indent: str) -> str:
    """Return a function's body at the right depth; lines at the left margin below an indented beginning stay there."""
    lines = code.split("\n")
    first, *others = (number for number, line in enumerate(lines) if line.strip())
    lost = not _indent(lines[first]) and others and not lines[first].rstrip().endswith(":")
    if lost and all(_indent(lines[number]) for number in others):  # stripped off with the white space around the reply
        lines[first] = _indent(lines[others[0]]) + lines[first]
    base = _indent(lines[first])
    if not base:
        return textwrap.indent(code, indent)
    return "\n".join(indent + line.removeprefix(base) if line.startswith(base) else line for line in lines)


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
