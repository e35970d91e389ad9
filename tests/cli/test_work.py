"""What a connection has to tell reaches the person once, above a live view too; the command to go on with."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live

from selfagg.cli import work
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


def test_the_command_to_go_on_with_names_the_record_once_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["/bin/selfagg", "eval", "my file.jsonl", "--base-url", "http://me:pw@host/v1?key=secret"]
    monkeypatch.setattr("sys.argv", words)
    said = "selfagg eval 'my file.jsonl' --base-url 'http://***host/v1?***' --record runs/a.sqlite"
    assert work.command_line(Path("runs/a.sqlite")) == said
    headers = ["--header", "X-A=secret", "--header=X-B: secret", "--header", "X-C=@token"]
    monkeypatch.setattr("sys.argv", [*words[:2], *headers])
    assert work.command_line() == "selfagg eval --header 'X-A=***' '--header=X-B:***' --header X-C=@token"
    monkeypatch.setattr("sys.argv", [*words[:3], "--record=b.sqlite"])
    assert work.command_line(Path("b.sqlite")) == "selfagg eval 'my file.jsonl' --record=b.sqlite"
