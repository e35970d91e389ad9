"""Tell a reply's reasoning from its response where the model marks it with tags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import Enum

from selfagg.types import Delta

_NAME = r"(?:[a-z]{1,12}[:_])?(?:think|thinking|thoughts?|reasoning)"
_CHANNEL = r"(?:<\|start\|>assistant)?<\|channel\|>\s?"
_OPEN = rf"<\s?{_NAME}\s?>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<\|START_THINKING\|>"
_OPEN += rf"|{_CHANNEL}(?:analysis|commentary)[^<>]{{0,40}}<\|message\|>|(?-i:analysis(?=[A-Z]))"
_CLOSE = rf"<\s?/\s?{_NAME}\s?>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<\|END_THINKING\|>"
_CLOSE += rf"|{_CHANNEL}final[^<>]{{0,40}}<\|message\|>|(?-i:assistantfinal)"
_FRAME = r"<\|(?:end|return|START_RESPONSE|END_RESPONSE|begin_of_solution|end_of_solution)\|>"
_TAG = re.compile(rf"(?P<open>{_OPEN})|(?P<close>{_CLOSE})|(?P<frame>{_FRAME})", re.IGNORECASE)
"""The marks of DeepSeek, Qwen, Magistral, Kimi, Seed, Cohere and gpt-oss, and the tags that prompts ask for.

gpt-oss's marks lose their angle brackets where a server leaves special tokens out: ``analysisWe ...assistantfinal5``.
"""
_FIRST = re.compile(r"[<\[◁]|analysis|assistantfinal")
"""The beginnings of marks: far quicker to look for than the marks."""


def _tags(text: str) -> Iterator[re.Match[str]]:
    end = 0
    for first in _FIRST.finditer(text):
        if first.start() >= end and (tag := _TAG.match(text, first.start())):
            end = tag.end()
            yield tag


def _beginnings(word: str) -> str:
    """Return a pattern of all beginnings of a word."""
    pattern = ""
    for letter in reversed(word):
        pattern = f"{letter}(?:{pattern})?"
    return pattern


_BEGUN = re.compile(rf"(?:[<\[◁][\w\s/|:=.▷<>-]{{0,90}}|{_beginnings('analysis')}|{_beginnings('assistantfinal')})\Z")
"""An end of the text that may be the beginning of a tag."""

_QUOTES = tuple("`'\"“”‘’*")
_MID_SENTENCE = re.compile(r"(?:[\w,;] |\()\Z")
_SENTENCE_GOES_ON = re.compile(r" *[.,;:!?)]| +[a-z0-9(]")
_CALLED_A_TAG = re.compile(r"\s?(?:(?:tags?|blocks?|sections?|tokens?|markers?|is an?)\b|and </)")
_BEFORE, _AFTER = 64, 9
"""The characters before and after a tag that decide whether the text uses the tag or names it."""


class Mark(Enum):
    """The kind of a piece of text in a reply."""

    RESPONSE = "response"
    REASONING = "reasoning"
    BOUNDARY = "boundary"  # a tag that begins or ends a section
    LATE = "late"  # the end of a section that began before the reply did: what came since the last tag was reasoning


class Splitter:
    """A splitter of text into response and reasoning while it arrives; the cuts into pieces change nothing.

    A section that never closes reaches to the end: the reply was cut while reasoning. A closing tag without an opening
    one ends a section that began before the text, since many chat templates write the opening tag into the prompt.
    A tag that the text only names is text: one in quotes, or one within a sentence (``I use the <think> tag``).
    Takes time linear in the length of the text.
    """

    def __init__(self) -> None:
        self._inside = False
        self._bare = False  # the section began with gpt-oss's mark without its brackets
        self._unclosed = 0  # opening tags without their closing ones
        self._sections = 0
        self._before = ""
        self._held = ""

    def feed(self, piece: str, *, last: bool = False) -> Iterator[tuple[Mark, str]]:
        """Take a piece of text, after the ``last`` of which none comes; yield what is certain."""
        text, start = self._held + piece, 0
        end = len(text)
        for tag in _tags(text):
            after = text[tag.end() : tag.end() + _AFTER]
            if not last and len(after) < _AFTER and "\n" not in after:
                end = tag.start()
                break
            mark = self._meaning(tag, self._window(text, tag.start()), after)
            if mark is None:
                continue
            yield self._kind, text[start : tag.start()]
            start = tag.end()
            if tag.lastgroup == "open":
                self._unclosed += 1
                self._inside, self._bare = True, tag[0] == "analysis"
            elif tag.lastgroup == "close":
                self._unclosed = max(0, self._unclosed - 1)
                self._sections += 1
                self._inside = False
            yield mark, ""
        if not last and (begun := _BEGUN.search(text, start, end)):
            end = begun.start()
        yield self._kind, text[start:end]
        self._before, self._held = self._window(text, end), text[end:]

    @property
    def _kind(self) -> Mark:
        return Mark.REASONING if self._inside else Mark.RESPONSE

    def _window(self, text: str, end: int) -> str:
        """Return the last characters before a place of the text, those of earlier pieces included."""
        window = text[max(0, end - _BEFORE) : end]
        return window if end >= _BEFORE else (self._before + window)[-_BEFORE:]

    def _meaning(self, tag: re.Match[str], before: str, after: str) -> Mark | None:
        """Return the meaning of a tag, or None if the text only names the tag."""
        if before.endswith(_QUOTES) and after.startswith(_QUOTES):
            return None
        if tag[0] == "analysis":
            return None if before else Mark.BOUNDARY
        if tag[0] == "assistantfinal":
            return Mark.BOUNDARY if self._inside and self._bare else None
        if tag.lastgroup == "frame" or (self._inside and tag.lastgroup == "close"):
            return Mark.BOUNDARY
        at_line_start = not before.rpartition("\n")[2].strip()
        in_sentence = not at_line_start and _MID_SENTENCE.search(before) and _SENTENCE_GOES_ON.match(after)
        if in_sentence or _CALLED_A_TAG.match(after):
            return None
        if tag.lastgroup == "close" and (self._unclosed or not self._sections):
            return Mark.LATE
        return Mark.BOUNDARY


def split_reasoning(text: str) -> tuple[str, str]:
    """Split what a model wrote into its reasoning and the response, by the rule of `Splitter`.

    Sections of reasoning are joined by an empty line; both are without white space around them. A text without tags
    is returned as it is, with no reasoning.
    """
    sections: list[list[str]] = [[]]
    response: list[str] = []
    for mark, piece in Splitter().feed(text, last=True):
        if mark is Mark.RESPONSE:
            response.append(piece)
        elif mark is Mark.REASONING:
            sections[-1].append(piece)
        else:
            if mark is Mark.LATE:
                sections[-1].append(response.pop())
            sections.append([])
    if len(sections) == 1:
        return "", text
    reasoning = ("".join(section).strip() for section in sections)
    return "\n\n".join(filter(None, reasoning)), "".join(response).strip()


class Thinking:
    """A live view of a reply's reasoning and response while it arrives.

    What was shown as the response stays so, also where a late closing tag tells that it was reasoning.
    """

    def __init__(self) -> None:
        self._splitter = Splitter()
        self._space: list[str] = []  # before the first word: kept in pieces, as there may be any number of them
        self._blank = True
        self._split = False

    def feed(self, piece: str) -> Iterator[Delta]:
        """Take a piece of content; yield what is certain."""
        return self._shown(self._splitter.feed(piece))

    def rest(self) -> Iterator[Delta]:
        yield from self._shown(self._splitter.feed("", last=True))
        if self._blank and self._space and not self._split:
            yield Delta(text="".join(self._space))

    def _shown(self, pieces: Iterable[tuple[Mark, str]]) -> Iterator[Delta]:
        """Pass text on; the response of a reply with reasoning without the white space before its first word."""
        for mark, text in pieces:
            if mark is Mark.REASONING:
                yield from [Delta(reasoning=text)] if text else []
            elif mark is not Mark.RESPONSE:
                self._split = True
            elif self._blank and not text.strip():
                self._space += [text] if text else []
            elif text:
                if self._blank:
                    text = "".join([*self._space, text])
                    text, self._blank = text.lstrip() if self._split else text, False
                yield Delta(text=text)
