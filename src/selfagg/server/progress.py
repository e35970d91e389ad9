"""Progress lines: told as reasoning while a deliberation goes on, and taken out when a client sends them back.

A line's form is its mark: a line of an assistant's turn that has it was told by this server, whatever field it is in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_LINE: Final = r"population \d+(?: of at most \d+)?: \d+ of \d+(?: \(one failed\))?"
_MARK: Final = re.compile(rf"^[ \t]*{_LINE}[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
_EMPTY_TAGS: Final = re.compile(r"\A\s*<think(?:ing)?>\s*</think(?:ing)?>\s*")
_UNTOUCHED: Final = ("role", "type", "id", "tool_calls", "function_call", "input", "arguments")
_SAYS_NOTHING: Final = ("type", "signature", "index", "format", "id")
_DEEPEST: Final = 4


def progress_line(t: int, done: int, needed: int, *, failed: bool, most: int | None = None) -> str:
    """Return the line that tells of one more member of population ``t``.

    ``done`` of its members are done, of ``needed`` that the answer needs; ``failed``: this one failed; ``most``:
    populations at most, where an earlier one may be the last.
    """
    of = f" of at most {most}" if most else ""
    return f"population {t}{of}: {done} of {max(needed, done)}{' (one failed)' if failed else ''}"


def without_progress(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request's body whose history holds no progress lines; all else stays as it came."""
    kept = dict(body)
    for name in ("messages", "input"):
        if isinstance(turns := kept.get(name), list):
            kept[name] = [cleaned for turn in turns for cleaned in _turn(turn)]
    return kept


def _turn(turn: Any) -> Iterator[Any]:
    """Yield an assistant's message or a reasoning item without progress; nothing if nothing else was in it."""
    if not isinstance(turn, Mapping) or not (turn.get("role") == "assistant" or turn.get("type") == "reasoning"):
        yield turn
        return
    cleaned = _cleaned(turn, _DEEPEST)
    if turn.get("type") != "reasoning" or cleaned == turn or cleaned.get("summary") or cleaned.get("content"):
        yield cleaned


def _cleaned(value: Any, depth: int) -> Any:
    """Return a value without progress; fields and parts with nothing left go, but for ``content``, which must be."""
    if isinstance(value, str):
        without = _MARK.sub("", value)
        return value if without == value else _EMPTY_TAGS.sub("", without) if without.strip() else ""
    if depth < 0 or not isinstance(value, list | Mapping):
        return value
    if isinstance(value, list):
        cleaned = [(old, _cleaned(old, depth - 1)) for old in value]
        return [new for old, new in cleaned if new == old or _says(new)]
    fields = {name: old if name in _UNTOUCHED else _cleaned(old, depth - 1) for name, old in value.items()}
    return {name: new for name, new in fields.items() if name == "content" or new or not value[name]}


def _says(part: Any) -> bool:
    if isinstance(part, Mapping):
        return any(value for name, value in part.items() if name not in _SAYS_NOTHING)
    return bool(part)
