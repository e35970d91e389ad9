r"""Read final answers off a response: ``\boxed{}`` and ``<answer>`` tags.

All functions are linear in the text's length and never raise. What only quotes the instruction is no answer, wherever
it stands: empty boxes, ``\boxed{your answer}``, ``between <answer> and </answer> tags``.
"""

from __future__ import annotations

import functools
import html
import re
from typing import NamedTuple

_NUMBER = r"[-+−]?\d++(?:[.,/]\d++)*%?(?![\w{])"
_GROUP = r"\{[^{}]{0,80}(?:\{[^{}]{0,80}\}[^{}]{0,80}){0,4}\}"
_COMMAND = rf"\\[A-Za-z]+(?:\s?{_GROUP}){{0,2}}"
_LETTER = r"[A-Za-z](?=\s*(?:[.,;:!?$)\]*]|\\[)\]]|\n|\Z))"
_BRACKETS = r"\([^()\n]{1,80}\)|\[[^][\n]{1,80}\]"
_TOKEN = re.compile(
    r"(?P<box>\\{1,2}(?:[Bb]oxed|BOXED|fbox|framebox|bbox|ovalbox)(?![A-Za-z])(?:\s*+\[[^][\n]{0,80}\](?=\s*\{))*\s*+"
    rf"(?:\{{|(?P<bare>{_NUMBER}|{_LETTER}|{_BRACKETS}|{_COMMAND}))"
    # Without its backslash, as after careless escaping, or with the backspace that \b stands for in JSON.
    r"|(?:(?<![A-Za-z])[Bb]oxed|(?<![A-Za-z])f(?:rame)?box|\x08oxed)\{"
    r"|\[boxed\](?P<code>[^][\n]{1,80})\[/boxed\])"
    r"|\\.|[{}]",
    re.DOTALL,
)

_COMMENT = re.compile(r"(?<!\\)%[ \t]+[^\n]*\n")
_INNER = re.compile(r"\\(?:[Bb]oxed|BOXED|fbox|framebox)\s*+(?=\{)")
_TYPE_FACES = re.compile(r"(?:\\[A-Za-z]++\s*+)*+")
_ORNAMENT = re.compile(
    r"\\(?:[hv]?phantom|[hv]space\*?)\s*+\{[^{}]*\}|\\(?:text\w*|mathrm|mathbf|q?quad|[lc]?dots|square)(?![A-Za-z])"
    r"|\\[,;:!_ ]|\\\Z|[{}$*_`'\"<>~\s]+"
)
_NOUN = r"(?:answer|result|solution|value|number|letter|choice|option|expression|integer|response|content|text)s?"
_PHRASE = (
    r"(?:(?:your|the|my|an?|final|correct|right|numeric(?:al)?|single|chosen|insert|put|place|write|option) )+"
    rf"{_NOUN}(?: (?:goes|is|letter|value|number|only|here|inside))*|answer(?: here)?|[.…?\s]*"
)
_PLACEHOLDER = re.compile(_PHRASE, re.IGNORECASE)
_BOX_PLACEHOLDER = re.compile(rf"{_PHRASE}|{_NOUN}|and|or", re.IGNORECASE)
_EXAMPLE = re.compile(r"(?:\be\.\s?g\.|\bfor (?:example|instance)|\bsuch as)[\s,:(`$]*\Z", re.IGNORECASE)

_BETWEEN = re.compile(
    r"(?:[\s$,;&*~{}]|\\[][()\\,;:! ]|\\(?:q?quad|text|mathrm|lor|land|vee)(?![a-z])|and|or"
    r"|[A-Za-z]\w?(?:_\{?\w{1,3}\}?)?\s*(?:=|\\in(?![a-z])))*"
)
_CONNECTIVE = re.compile(r"[,;&]|(?<![a-z])(?:and|or|lor|land|vee|q?quad)(?![a-z])")
_LONGEST_BETWEEN = 80

_TAG = re.compile(r"\\?<\s?(?P<close>[/\\]*)\s?answer(?:\s[^<>]{0,80})?\\?>", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+|[^\w\s]")
_PROSE = re.compile(
    r"(?:and|or|und|et|y|then|to|with|the|an?|tags?|opening|closing|open(?:s|ed)?|close[sd]?|begin(?:ning)?s?|starts?"
    r"|ends?|at|by|followed|before|after|in|xml|和|与|及|、"
    r"|[`'\"“”‘’*,/&])",
    re.IGNORECASE,
)
_NEAR = 60  # the characters around a tag that are looked at
_FENCE = re.compile(r"(?:`{3,}|~{3,})[^`~]*\Z")
_WRAPPED = re.compile(r"\*\*([^*\n]+)\*\*|`([^`\n]+)`|\$+([^$\n]+)\$+|\\\(([^\n]+)\\\)")


class _Box(NamedTuple):
    """A box: its place in the text, and that of its content without the white space around it."""

    start: int
    end: int
    first: int
    last: int


def last_box(text: str) -> str | None:
    r"""Return the content of the last ``\boxed{...}``, or None.

    Reads ``\fbox``, ``\framebox``, ``\boxed 5`` and ``\boxed\frac{1}{2}`` too. Braces nest, and escaped ones do not
    count; a box within a box counts as not there. Several boxes of one enumeration (``\boxed{1} and \boxed{2}``) are a
    list: ``1, 2``. The last box decides, as in the authors' scripts: where it never closes (a reply cut by length),
    there is no answer, since an earlier box is as likely a step on the way or a candidate's as the response's own.
    """
    return read_boxes(text)[0]


@functools.lru_cache(maxsize=256)  # the run, the scorer and its gold answer ask for the same ones in a row
def read_boxes(text: str) -> tuple[str | None, str]:
    """Return the result of `last_box`, and the text after the last box; ``""`` after one that never closes."""
    boxes = _boxes(text)
    if boxes is None:
        return None, ""
    stated = [box for box in boxes if not _is_placeholder(text[box.first : box.last])]
    own = [box for box in stated if not _EXAMPLE.search(text, max(0, box.start - 24), box.start)]
    if not own and len(boxes) == 1:
        own = stated
    after = text[boxes[-1].end :] if boxes else text
    if not own:
        return None, after
    first = len(own) - 1
    while first > 0 and _enumerates(text[own[first - 1].end : own[first].start]):
        first -= 1
    return ", ".join(dict.fromkeys(_content(text, box) for box in own[first:])), after


def _boxes(text: str) -> list[_Box] | None:
    """Return the closed boxes that lie in no other closed box, in order; None where the last box never closes."""
    first = min((place for word in ("box", "Box", "BOX", "\x08oxed") if (place := text.find(word)) >= 0), default=-1)
    if first < 0:
        return []
    begin = 1 + max(text.rfind(space, 0, first) for space in " \n")  # most of a long reply comes before its boxes
    boxes: list[_Box] = []
    unclosed: list[tuple[int, int]] = []  # of each open brace: where its box and its content start; -1: no box's brace
    last = -1
    for token in _TOKEN.finditer(text, begin):
        if token["box"]:
            last = token.start()
            if token["bare"] or token["code"]:
                boxes.append(_Box(last, token.end(), *token.span("bare" if token["bare"] else "code")))
            else:
                unclosed.append((last, token.end()))
        elif token[0] == "{":
            unclosed.append((-1, -1))
        elif token[0] == "}" and unclosed:
            start, first = unclosed.pop()
            if start >= 0:
                end = token.start()
                while first < end and text[first].isspace():
                    first += 1
                while first < end and text[end - 1].isspace():
                    end -= 1
                boxes.append(_Box(start, token.end(), first, end))
    if any(start == last >= 0 for start, _ in unclosed):
        return None
    # Boxes that lie in no other are kept. One of nothing but type faces and another box gets that one's content.
    kept: list[_Box] = []
    for box in reversed(boxes):  # they come in the order of their ends, so an outer one stands before its inner ones
        if not kept or box.end <= kept[-1].start:
            kept.append(box)
        elif box.end == kept[-1].last and _TYPE_FACES.fullmatch(text, kept[-1].first, box.start):
            kept[-1] = kept[-1]._replace(first=box.first, last=box.last)
    return kept[::-1]


def _is_placeholder(content: str) -> bool:
    if len(content) > _LONGEST_BETWEEN:
        return False
    plain = " ".join(_ORNAMENT.sub(" ", content).split())
    return _BOX_PLACEHOLDER.fullmatch(plain.strip("[]()\\ ") or plain) is not None


def _content(text: str, box: _Box) -> str:
    """Return a box's content without comments, inner boxes' commands and a line break at the end."""
    line_end = text[box.last] == "\n" if box.last < len(text) else False
    content = _COMMENT.sub("", text[box.first : box.last + line_end])
    return _INNER.sub("", content).strip().removesuffix("\\\\").strip()


def _enumerates(between: str) -> bool:
    """Return True if the text between two boxes makes them one list."""
    if len(between) > _LONGEST_BETWEEN or "\n\n" in between:
        return False
    return _BETWEEN.fullmatch(between) is not None and _CONNECTIVE.search(between) is not None


def last_answer_tag(text: str) -> str | None:
    """Return the content of the last complete ``<answer>...</answer>`` that states an answer, or None.

    The last, not the first: a response that quotes its candidates' tags is read by its own. An opening tag that never
    closes is prose or a cut reply and is passed over.
    """
    if not _TAG.search(text):
        text = html.unescape(text)
    contents: list[str] = []
    opening: re.Match[str] | None = None
    for tag in _TAG.finditer(text):
        if not tag["close"]:
            opening = tag
        elif opening is not None:
            start, end = opening.end(), tag.start()
            before = text[max(0, opening.start() - _NEAR) : opening.start()]
            if not _names_tags(text[start : min(end, start + _NEAR)], before, text[tag.end() : tag.end() + _NEAR]):
                contents.append(text[start:end].strip())
            opening = None
    stated = [content for content in contents if not _is_blank_form(content)]
    words = [content for content in contents if content.isalpha()]  # "answer" alone may be an answer for all we know
    return next(reversed(stated or words), None)


def _names_tags(content: str, before: str, after: str) -> bool:
    """Return True if a sentence names the tags, as in ``between <answer> and </answer>``."""
    words = _WORD.findall(content)
    if len(content) >= _NEAR or not words or not all(map(_PROSE.fullmatch, words)):
        return False
    on_its_own_line = not (before.rpartition("\n")[2] + after.partition("\n")[0]).strip()
    return not on_its_own_line and not (content[0].isalpha() and content.isascii())


def _is_blank_form(content: str) -> bool:
    """Return True for ``your answer``, ``[answer]``, ``...``."""
    bare = content[:_NEAR].strip("[]{}<>()").replace("_", " ")
    return _PLACEHOLDER.fullmatch(" ".join((bare.strip() or content).split())) is not None


def unwrapped(content: str) -> str:
    """Return an answer without the box, code block, bold type or inline code around all of it."""
    content = content.strip()
    for _ in range(3):
        first, _, block = content.partition("\n")
        inside, _, last = block.rpartition("\n")
        if (found := _WRAPPED.fullmatch(content)) is not None:
            content = (found[1] or found[2] or found[3] or found[4]).strip()
        elif _FENCE.match(first) and _FENCE.fullmatch(last.strip()):
            content = inside.strip("\n")
        else:
            content = last_box(content) or content
    return content
