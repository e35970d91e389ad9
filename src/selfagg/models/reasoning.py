"""Tells a reply's reasoning from its answer where the model marks it with <think> tags."""

from __future__ import annotations

import re

_TAG = re.compile(r"(</?think>)")


def split_reasoning(text: str) -> tuple[str, str]:
    """Splits what a model wrote into its reasoning and the rest.

    A section that is never closed reaches to the end: the reply was cut while reasoning. A closing tag without
    an opening one ends a section that began before the text did, since many chat templates write the opening
    tag into the prompt. Takes time linear in the length of the text.

    Args:
        text: The reply as it came.

    Returns:
        The reasoning (sections joined by an empty line) and the rest, both without white space around them; a
        text without tags is returned as it is, with no reasoning.
    """
    pieces = _TAG.split(text)
    if len(pieces) == 1:
        return "", text
    reasoning: list[str] = []
    rest: list[str] = []
    inside = False
    for piece, tag in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
        (reasoning if inside or tag == "</think>" else rest).append(piece)
        inside = tag == "<think>" or (inside and tag != "</think>")
    return "\n\n".join(filter(None, map(str.strip, reasoning))), "".join(rest).strip()
