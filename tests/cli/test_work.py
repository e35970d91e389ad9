"""What a connection has to tell reaches the person once, above a live view too."""

from __future__ import annotations

import io
import logging
import sys

import pytest
from rich.console import Console
from rich.live import Live

from selfagg.cli.work import notes_printed

LOGGER = logging.getLogger("selfagg.models.some")


def test_each_sentence_once_and_nothing_when_the_model_is_closed(capsys: pytest.CaptureFixture[str]) -> None:
    with notes_printed():
        for number in (1, 1, 2, 1):
            LOGGER.warning("the server cut %d prompts\nand \x1b[2J said nothing", number)
        LOGGER.info("details")
    LOGGER.warning("later")
    out, said = capsys.readouterr()
    assert out == ""
    assert [line for line in said.splitlines() if line.startswith("note: ")] == [
        "note: the server cut 1 prompts and [2J said nothing",
        "note: the server cut 2 prompts and [2J said nothing",
    ]


def test_a_live_view_lets_it_through(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    console = Console(file=terminal, force_terminal=True, width=80)
    with notes_printed(), Live("a live view", console=console, auto_refresh=False, redirect_stdout=False) as live:
        LOGGER.warning("the server tells no tokens")
        live.refresh()
    text = terminal.getvalue()
    assert text.index("note: the server tells no tokens") < text.rindex("a live view")
