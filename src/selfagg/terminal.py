"""Print to people: lines as they are, and model-written text without its power over a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table


PIPED_WIDTH = 120
"""Columns of what is printed into a pipe or a file, where rich would break lines at 80."""


def results() -> Console:
    """Return the console of results: stdout, as wide as the terminal."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)


def show(tables: RenderableType, console: Console) -> None:
    """Print tables at their own width on a narrow terminal, which breaks their lines but cuts no number short."""
    from rich.measure import Measurement
    from rich.text import Text

    roomy = console.options.update_width(PIPED_WIDTH)
    widths = [Measurement.get(console, roomy, table).maximum for table in _inside(tables)]
    console.width = max([console.width, *widths])
    console.print(tables, soft_wrap=isinstance(tables, Text))


def print_result(
    found: Mapping[str, Any], table: Callable[[Mapping[str, Any]], RenderableType], *, as_json: bool
) -> None:
    """Print a result on stdout: as one JSON object, or as the table that is drawn from the very same values."""
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        show(table(found), results())


def _inside(parts: RenderableType) -> Iterator[Table]:
    from rich.console import Group
    from rich.table import Table

    if isinstance(parts, Table):
        yield parts
    elif isinstance(parts, Group):
        for part in parts.renderables:
            yield from _inside(part)


def say(text: str, console: Console) -> None:
    """Print a line as it is: no markup, no colours, no line breaks of its own."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def harmless(text: str) -> str:
    """Return the text without control characters: what a model writes must not steer the terminal."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")


def one_line(text: str, length: int) -> str:
    """Return the text, harmless, as one line of at most so many characters."""
    line = " ".join(harmless(text).split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
