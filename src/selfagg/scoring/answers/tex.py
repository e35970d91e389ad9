r"""The arguments of TeX commands: where they begin and end without braces."""

from __future__ import annotations

import re


def braced(text: str) -> str:
    r"""Return LaTeX whose ``\frac``, ``\binom`` and ``\sqrt`` have their arguments in braces: ``\frac2\pi``."""
    out, position = [], 0
    for match in re.finditer(r"\\(frac|binom|sqrt)(?![a-zA-Z])", text):
        if match.start() < position:
            continue
        out.append(text[position : match.start()])
        piece, position = _command(text, match)
        out.append(piece)
    return "".join([*out, text[position:]])


def _command(text: str, match: re.Match[str]) -> tuple[str, int]:
    name, position, index = match[1], match.end(), ""
    if name == "sqrt" and (found := re.compile(r"\s*\[([^\[\]]*)\]").match(text, position)):
        index, position = f"[{found[1]}]", found.end()
    arguments = []
    for _ in range(1 if name == "sqrt" else 2):
        argument, position = _argument(text, position)
        arguments.append(f"{{{argument}}}")
    return f"\\{name}{index}{''.join(arguments)}", position


def _argument(text: str, position: int) -> tuple[str, int]:
    """Return one argument of a TeX command: a group, a command with its own arguments, a character."""
    while position < len(text) and text[position] == " ":
        position += 1
    if position >= len(text):
        return "", position
    if text[position] in "{(" and (end := closing(text, position)):
        return braced(text[position + 1 : end]), end + 1
    if nested := re.compile(r"\\(frac|binom|sqrt)(?![a-zA-Z])").match(text, position):
        return _command(text, nested)
    token = re.compile(r"\\[a-zA-Z]+|.").match(text, position)
    if text[position - 1 : position] != " " and text[max(0, position - 5) : position] == "\\sqrt":
        token = re.compile(r"\\[a-zA-Z]+|[0-9]+|.").match(text, position)
    return (token[0], token.end()) if token else ("", position)


def closing(text: str, start: int) -> int | None:
    """Return the place of the bracket that closes the one at ``start``, or None."""
    opening, depth = text[start], 0
    close = {"{": "}", "(": ")", "[": "]"}[opening]
    for position in range(start, len(text)):
        if text[position - 1 : position] == "\\" and opening == "{":
            continue
        depth += (text[position] == opening) - (text[position] == close)
        if depth == 0:
            return position
    return None
