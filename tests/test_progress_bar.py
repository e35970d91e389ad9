"""The live view and the plain lines: what they show, at any size of terminal, and that they keep to stderr."""

from __future__ import annotations

import io
import re
import threading

import pytest
from rich.console import Console

from selfagg.methods import RSA
from selfagg.progress import Progress, ProgressCounts
from selfagg.progress_bar import Bar, clock, headline, line, render, rows, shown
from selfagg.record.record import CANDIDATE
from selfagg.types import Member, Reply, Usage


def drawn(progress: Progress, *, width: int = 80, height: int = 24, encoding: str = "utf-8") -> str:
    buffer = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=buffer, width=width, height=height, force_terminal=True, color_system=None)
    console.print(
        render(progress, headline(RSA(n=4, k=2, t=3).settings(), "five questions", "simulated:p=0.5"), console)
    )
    buffer.seek(0)
    return buffer.read()


@pytest.fixture
def progress() -> Progress:
    """Five questions of 4/2/3, in the middle."""
    progress = Progress([4, 4, 4], 5)
    for i in range(14):
        reply = Reply("text", usage=Usage(completion=100))
        progress.generated(0, Member(1, i, reply=reply), CANDIDATE, fresh=True)
        answer = None if i % 7 == 6 else "1"
        progress.scored(0, Member(1, i, reply=reply, answer=answer, score=float(i % 2 == 0 and answer is not None)))
    progress.finished(0)
    return progress


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_view_fits_and_shows_each_population(progress: Progress, width: int) -> None:
    text = drawn(progress, width=width)
    assert all(len(row) <= width for row in text.splitlines())
    assert re.search(r"t=1 █+▓+▒+·+ +14/20 +42\.9%", text) or width < 80
    assert "14/20" in text
    assert "0/16" in text  # what is done will have no more members
    assert "rsa n=4 k=2 t=3" in text
    assert "SIMULATED" in text or width < 80
    assert "1 of 5 questions" in text


def test_a_terminal_without_unicode_gets_ascii_blocks(progress: Progress) -> None:
    text = drawn(progress, width=120, encoding="ascii")
    assert re.search(r"t=1 #+x+\?+\.+ +14/20", text)


@pytest.mark.parametrize("width", [10, 33, 100])
@pytest.mark.parametrize("size", [1, 7, 5000])
def test_a_bar_is_as_wide_as_its_room(width: int, size: int) -> None:
    tally = ProgressCounts(size, done=size, right=size // 2, wrong=size // 3, unanswered=size // 7)
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(Bar(tally, "█▓▒█·"))
    file = console.file
    assert isinstance(file, io.StringIO)
    (bar,) = file.getvalue().splitlines()
    assert len(bar) == width
    assert bar.count("·") <= 1  # all done: at most a rounded-off cell is left


def test_many_populations_show_those_at_work() -> None:
    tallies = [ProgressCounts(10, done=10 if t < 30 else 0) for t in range(50)]
    shown_rows = rows(tallies, 12)
    assert len(shown_rows) == 12
    assert 30 in shown_rows
    assert 31 in shown_rows
    assert list(rows(tallies[:5], 12)) == [1, 2, 3, 4, 5]
    assert len(drawn(Progress([4] * 50, 5), height=24).splitlines()) <= 24


def test_one_line_says_it_all(progress: Progress) -> None:
    text = line(progress)
    for part in ("27%", "questions 1/5", "members 14/52", "accuracy 42.9% - -", "tokens/s", "left"):
        assert part in text


@pytest.mark.parametrize("width", [40, 80])
def test_a_model_that_is_gone_is_told_of(progress: Progress, width: int) -> None:
    progress.waiting("waiting 40 s: rate limit, 20 requests a minute")
    assert line(progress).endswith("| waiting 40 s: rate limit, 20 requests a minute")
    text = drawn(progress, width=width, height=12)
    assert len(text.splitlines()) <= 12
    assert "waiting 40 s" in text
    progress.waiting(None)
    assert "waiting" not in line(progress) + drawn(progress)


def test_plain_lines_come_now_and_then_and_at_the_end() -> None:
    console = Console(file=io.StringIO(), width=200)
    progress = Progress([1], 1)
    with shown(progress, headline(RSA(n=1, k=1, t=1).settings(), "one", "simulated:"), console):
        progress.generated(0, Member(1, 0, reply=Reply("a")), CANDIDATE, fresh=True)
    file = console.file
    assert isinstance(file, io.StringIO)
    assert file.getvalue().splitlines()[-1].startswith("100% | members 1/1")
    assert all(thread.name != "selfagg-progress" for thread in threading.enumerate())


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
