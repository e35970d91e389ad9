"""Final answers read off a response: plain functions, linear in the text's length, that never raise."""

from __future__ import annotations

import re

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_ANSWER_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)

_WRAPPER = re.compile(r"\\(?:text|textbf|textrm|textit|mathrm|mathbf|mathit|mathsf|bf|rm|boxed)(?![a-zA-Z])\s*")
_MARKUP = re.compile(r"[{}$*\\~]")
# Matched against at most 1,000 characters in which no two spaces meet; every space has one way to match, since
# two ways within a repeated group would be 2**n.
_LETTER = re.compile(
    r"(?:the )?(?:(?:final|correct|best) )*(?:(?:answer|option|choice|letter)(?: is)?(?: ?[:=])? ?){0,3}"
    r"[(\[]?(?P<letter>[a-z])(?: ?$| ?[)\].:]| [-–—] )(?P<rest>.*)",
    re.IGNORECASE,
)
_ANOTHER_LETTER = re.compile(r" ?(?:[,;/&]|and|or)+ ?[(\[]?[a-z][)\].]? ?", re.IGNORECASE)


def last_box(text: str) -> str | None:
    r"""The content of the last ``\boxed{...}`` or ``\fbox{...}``, or None.

    Braces nest and escaped ones do not count. The last box decides, as in the authors' scripts: where it never
    closes (a reply cut by length), there is no answer, since an earlier box is as likely a step on the way or
    a candidate's as the response's own. Empty boxes, which quote the instruction, are passed over. Of boxes
    inside a box the innermost last one is read.
    """
    starts = [match.end() for match in _BOX.finditer(text)]
    while starts:
        start = starts.pop()
        end = _closing_brace(text, start)
        if end is None:
            return None
        if content := text[start:end].strip():
            return content
    return None


def _closing_brace(text: str, start: int) -> int | None:
    depth = 1
    for match in _BRACE.finditer(text, start):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth == 0:
                return match.start()
    return None


def last_answer_tag(text: str) -> str | None:
    """The content of the last complete ``<answer>...</answer>`` that is not empty, or None.

    The last, not the first: a response that quotes its candidates' tags is read by its own. An opening tag
    that never closes is prose or a cut reply and is passed over.
    """
    answer = None
    start: int | None = None
    for tag in _ANSWER_TAG.finditer(text):
        if not tag[1]:
            start = tag.end()
        elif start is not None:
            answer = text[start : tag.start()].strip() or answer
            start = None
    return answer


def choice_letter(text: str) -> str | None:
    r"""The option letter in the last box, in upper case, or None.

    Reads ``\boxed{B}``, ``\boxed{\text{b}}``, ``\boxed{(B)}``, ``\boxed{B.}``, ``\boxed{B: 400 cal}`` and
    ``\boxed{Option B}``. A box that names no letter, or several, states no choice.
    """
    box = last_box(text)
    if box is None:
        return None
    plain = " ".join(re.sub(r"[{}$*\\~]", " ", _WRAPPER.sub("", box[:1000])).split())
    match = _LETTER.fullmatch(plain)
    if match is None or _ANOTHER_LETTER.fullmatch(match["rest"]):
        return None
    return match["letter"].upper()
