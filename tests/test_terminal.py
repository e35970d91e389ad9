"""What is printed to people: whole on a narrow terminal, and without power over it."""

from __future__ import annotations

import io

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from selfagg.terminal import harmless, one_line, show


def test_a_narrow_terminal_cuts_no_number_short() -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("accuracy", "95 % interval", "tokens"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("100.0 %", "99.9 to 100.0 %", "12,345,678")
    console = Console(file=io.StringIO(), width=20, color_system=None)
    show(Group(Text("a title"), Group(table)), console)
    assert isinstance(console.file, io.StringIO)
    said = [line.split("  ") for line in console.file.getvalue().splitlines()]
    assert said[0] == ["a title"]
    assert said[2] == [" 100.0 %", "99.9 to 100.0 %", "12,345,678"]


def test_model_text_cannot_steer_the_terminal() -> None:
    hostile = "a\x1b[2Jb\x9b31mc\rd\u202ee\n\tf"
    assert harmless(hostile) == "a[2Jb31mcde\n\tf"
    assert one_line("x\ny  z" * 10, 8) == "x y zx …"
