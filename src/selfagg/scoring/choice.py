r"""Multiple choice: the option's letter that a response states. Exactly one is stated, or there is no answer.

A letter counts in any type face and bracket, after words such as "the answer is", and before the option's own text
(``B. 400 cal``). Where the options are known, the text of exactly one of them stands for its letter. All functions are
linear in the text's length and never raise.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from string import ascii_uppercase

from selfagg.scoring.base import Verdict, first_equal
from selfagg.scoring.extract import last_answer_tag, read_boxes
from selfagg.types import Question

_TYPE_FACE = re.compile(
    r"\\(?:(?:text|math|page|f)?color(?:box)?|[hv]space\*?|[hv]?phantom)\s*\{[^{}]*\}(?:\{[^{}]*\}(?=\{))?"
    r"|\\(?:text(?!color)[a-z]*|math(?!color)[a-z]+|[mhf]box|framebox|boxed|boldsymbol|bm|emph|underline|operatorname\*?"
    r"|ensuremath|left|right|[Bb]igg?[lr]?|bf|rm|it|sf|tt|sc|[a-z]{2}(?:series|shape|family)|normalfont|tiny|small"
    r"|normalsize|[lL]arge|LARGE|[hH]uge|displaystyle|checkmark|(?:black)?square)(?![A-Za-z])|[$✓✔☑✅]|\*\*|\\?[{}]"
)
_BREAK = re.compile(r"\\\\|\n|\\(?:(?:long)?(?:right|Right)arrow|to|implies)(?![A-Za-z])|⇒")
_SPACE = re.compile(r"(?:\\q?quad(?![A-Za-z])|\\[,;:! ]|[~\s])+")
_SHELLS = ("__", '""', "''", "``", "“”", "‘’", "«»", "<>", "()", "[]", "【】", "「」", "『』")
_STOPS = " .,;:!。、\\"

_SAYING = (
    r"the|my|our|so|thus|hence|therefore|final|correct|right|best|most|appropriate|accurate|suitable|likely|answer|ans"
    r"|option|opt|choice|letter|statement|alternative|selection|response|solution|is|it|must|should|would|be"
    r"|i(?= (?:choose|pick|select|would))|we|choose|pick|select"
)
_LEAD = re.compile(
    rf"(?:(?:(?:{_SAYING})(?![A-Za-z])|答案|选项|选择|选|应|为|是|正确)[\s,.]*+[:=]?\s*+)*+", re.IGNORECASE
)
_LETTER = re.compile(r"[(\[](?P<inside>[A-Za-z])[)\]]|(?P<bare>[A-Za-z])(?![\w^'’])")
_LABELLED = re.compile(r" ?[)\].:](?![A-Za-z](?![A-Za-z]))")
"""The end of a label, as in ``B.`` or ``B) 400``; not within ``e.g.``."""

_SET_OFF = re.compile(r" [-–—] | ?[,;→] ?")
_SEVERAL = re.compile(
    r"[\s)\].:]*+(?:(?:and|or|to|nor|&|/|\+|\||,|;|-|–|—)\s*+)++[(\[]?[A-Za-z](?![A-Za-z0-9])", re.IGNORECASE
)
_ITEM = re.compile(r"[(\[]?(?!a [a-z])(?:[A-Za-z]|[IVX]+)(?![\w'’])")
_REMARK = re.compile(r" \((?! ?(?:or|and|/))(?!([A-Za-z])\))| (?=[0-9])| (?:because|since)\b")
_PRAISE = re.compile(r" is (?:(?:the|most|only) )*(?:correct|right|best|true|answer|appropriate|option|choice)\b")
_AGAIN = re.compile(r" ?\((?:(?:option|answer|choice) )?([A-Za-z])\)", re.IGNORECASE)

_STATEMENT = re.compile(
    r"(?:answer|(?:correct|right|best) (?:option|choice|letter|statement))\s*(?:is|:|=)|答案\s*(?:是|为|:)?",
    re.IGNORECASE,
)
_UNLESS = re.compile(r"\b(?:if|whether|suppose|assume|not|unless|wrong|incorrect)\b|n't|\?", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?。])\s+")
_LISTED = re.compile(r"^(?:Option )?\(?([A-Z])(?:\)| ?[:.]) ?(\S.*)$", re.MULTILINE)
_LONGEST = 1_000


class ChoiceScorer:
    """A scorer of option letters."""

    def answer(self, question: Question, text: str) -> str | None:
        return choice_letter(text, options(question.text))

    async def score(self, question: Question, text: str) -> Verdict:
        answer = self.answer(question, text)
        if question.gold is None:
            return Verdict(answer)
        gold = stated_letter(question.gold, options(question.text)) or question.gold
        return Verdict(answer, float(answer == gold))

    async def same(self, question: Question, answers: Sequence[str]) -> list[int]:
        return first_equal(answers)


def choice_letter(text: str, texts: Sequence[str] = ()) -> str | None:
    r"""Return the option's letter that a response states, in upper case, or None.

    The last box decides, or ``<answer>`` tags where there is no box. A response whose last box states no letter is read
    by its last words after that box, if these are a statement: ``Answer: B``, ``The correct option is (B).`` ``texts``
    are the options', A first, where they are known.
    """
    box, after = read_boxes(text)
    stated = last_answer_tag(text) if box is None else box
    letter = None if stated is None else stated_letter(stated, texts)
    return letter or _last_words(after, texts)


def stated_letter(content: str, texts: Sequence[str] = ()) -> str | None:
    """Return the letter that the content of a box states, in upper case, or None where it states none or several."""
    plain = _plain(content[:_LONGEST])
    allowed = ascii_uppercase[: len(texts)] if texts else ascii_uppercase
    if len(plain) == 1 and plain.upper() in allowed:
        return plain.upper()
    matching = [letter for letter, text in zip(ascii_uppercase, texts, strict=False) if _key(text) == plain.casefold()]
    letter = matching[0] if len(matching) == 1 else _read(plain)
    return letter if letter and letter in allowed else None


@functools.lru_cache(maxsize=256)
def options(text: str) -> Sequence[str]:
    """Return the options that a question lists, a line each, A first: ``Option A : 400``, ``A. 400``, ``(A) 400``."""
    found: list[str] = []
    for letter, option in _LISTED.findall(text):
        if letter == "A":
            found = [option]
        elif found and letter == ascii_uppercase[len(found) : len(found) + 1]:
            found.append(option)
    return tuple(found) if len(found) > 1 else ()


@functools.lru_cache(maxsize=1024)
def _key(text: str) -> str:
    return _plain(text[:_LONGEST]).casefold()


def _plain(content: str) -> str:
    """Return a text without type faces, brackets around all of it and punctuation at its end."""
    text = unicodedata.normalize("NFKC", content)
    text = "".join(char for char in text if unicodedata.category(char) != "Cf").strip()
    text = _SPACE.sub(" ", _TYPE_FACE.sub("", _BREAK.sub("→", text)))
    before = ""
    while text != before:
        before, text = text, text.strip(" →").rstrip(_STOPS)
        if len(text) > 2 and (pair := text[0] + text[-1]) in _SHELLS:
            text = text[1:-1] if pair[0] == pair[1] or pair[1] not in text[1:-1] else text
    return text


def _said(plain: str) -> int:
    """Return the number of characters before the letter that announce it."""
    lead = _LEAD.match(plain)
    return lead.end() if lead else 0


def _read(plain: str) -> str | None:
    """Return the letter that a text begins with, after words that announce it, if what follows leaves it the only one.

    After a letter in brackets any text may follow; one that is no variable is in upper case, in brackets, or announced.
    """
    start = _said(plain)
    found = _LETTER.match(plain, start)
    if found is None:
        return None
    letter, labelled, rest = (found["inside"] or found["bare"]).upper(), bool(found["inside"]), plain[found.end() :]
    named = labelled or start > 0 or found["bare"].isupper()
    if not rest.strip(_STOPS):
        return letter
    if _SEVERAL.match(rest):
        return None
    if again := _AGAIN.match(rest):
        return letter if again[1].upper() == letter else None
    if labelled or _LABELLED.match(rest):
        return letter
    if set_off := _SET_OFF.match(rest):
        return letter if named and not _ITEM.match(rest, set_off.end()) else None
    return letter if named and (_REMARK.match(rest) or _PRAISE.match(rest)) else None


def _last_words(text: str, texts: Sequence[str]) -> str | None:
    """Return the letter that a response's end states in words, or None."""
    lines = [line for line in (line.strip().lstrip("#>-* ").strip() for line in text.splitlines()) if line]
    if not lines:
        return None
    last = _SENTENCE.split(lines[-1])[-1]
    stated = None
    if len(lines) == 1 or len(_plain(lines[-1])) == 1:
        stated = stated_letter(lines[-1], texts)
    elif _said(_plain(last)):
        stated = stated_letter(last, texts)
    if stated:
        return stated
    for line in (last, *reversed(lines)):  # one that ends with a statement such as "the answer is B"
        statements = [*_STATEMENT.finditer(line)] if len(line) < _LONGEST and not _UNLESS.search(line) else ()
        if statements and (letter := stated_letter(line[statements[-1].end() :], texts)):
            return letter
    return None
