"""Show a run while it runs: a live view on a terminal and in a notebook, a plain line now and then in a pipe.

Either draws from a thread of its own and only reads counters, so it costs the run nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from selfagg.analysis.labels import named
from selfagg.progress import Progress, ProgressCounts
from selfagg.record.record import Record, Store
from selfagg.terminal import one_line, say

LINE_EVERY_S = 10.0
LINE_EVERY_SHARE = 0.05
WAIT_EVERY_S = 5.0
"""A new reason to wait is told at once, but no more often than this."""
SILENT_S = 30.0
"""After so long without any reply, the view says how long."""

_STATES = {"right": "green", "wrong": "red", "no answer": "yellow", "done": "cyan", "to come": "bright_black"}
"""The parts of a bar, and their colours."""
_BLOCKS = "█▓▒█·"
_ASCII_BLOCKS = "#x?=."


class ProgressBar(Progress):
    """A `Callback` that shows a run on stderr: ``selfagg.evaluate(..., callback=selfagg.ProgressBar())``.

    It may be given to several runs, one after the other.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        sizes: Sequence[int] | None = None,
        questions: int | None = None,
        done_too: bool = False,
    ) -> None:
        """Show nothing yet.

        Args:
            console: The console that shows it; None: stderr.
            sizes: Members of each population of a question; None: those of the run's method.
            questions: Questions in all; None: those of the run.
            done_too: True shows a run of which an earlier session has done everything, too.
        """
        super().__init__(sizes, questions)
        self._done_too = done_too
        self._console = console or Console(stderr=True)
        self._view = ExitStack()
        self._named: object = None

    def of(self, questions: int) -> ProgressBar:
        """Return the same for a run of so many of its record's questions."""
        self._questions = questions
        return self

    def started(self, record: Store) -> None:
        super().started(record)
        path = getattr(record, "path", None)
        if path not in (None, self._named):
            say(f"record {path}", self._console)
            self._named = path
        if (self._done_too or self.done < self.size) and isinstance(record, Record):
            told = record.configuration
            title = headline(told["method"], f"{told['source']}, seed {told['seed']}", told["model"])
            self._view.enter_context(shown(self, title, self._console))

    def ended(self) -> None:
        self._view.close()


@contextmanager
def shown(progress: Progress, title: Text, console: Console) -> Iterator[None]:
    """Show a run for the length of the ``with`` block: live on a terminal and in a notebook, else in lines."""
    progress.begin()
    if console.is_terminal or console.is_jupyter:
        with Live(
            console=console,
            refresh_per_second=4,
            redirect_stdout=False,
            get_renderable=lambda: render(progress, title, console),
        ):
            yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_lines, args=(progress, console, over), name="selfagg-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        if progress.done:
            say(line(progress), console)


def _lines(progress: Progress, console: Console, over: threading.Event) -> None:
    """Print a line now and then, and each new reason to wait, until it is over."""
    shown_at, shown_share, told, told_at = 0.0, _share(progress), None, -WAIT_EVERY_S
    while not over.wait(0.5):
        elapsed, share, obstacle = progress.elapsed_s, _share(progress), progress.obstacle
        due = elapsed - shown_at >= LINE_EVERY_S or share - shown_share >= LINE_EVERY_SHARE
        if due or (obstacle not in (None, told) and elapsed - told_at >= WAIT_EVERY_S):
            say(line(progress), console)
            shown_at, shown_share, told = elapsed, share, obstacle
            told_at = elapsed if obstacle else told_at


def headline(settings: Mapping[str, Any], source: str, model: str) -> Text:
    """Return the name of the run: method and source, and below them the model; a simulated one is called one."""
    name = Text.assemble((named(settings), "bold"), f": {source}\n", (described_model(model), "bright_black"))
    name.no_wrap, name.overflow = True, "ellipsis"
    return name


def described_model(name: str) -> str:
    """Return a model's name; a simulated model is called simulated."""
    return f"{name} (SIMULATED: no language model was asked)" if name.startswith("simulated") else name


def line(progress: Progress) -> str:
    """Return the state of a run in one line."""
    scores = [f"{tally.accuracy:.1%}" if tally.accuracy is not None else "-" for tally in progress.tallies]
    parts = [
        f"{_share(progress):4.0%}",
        *([f"questions {progress.finished_questions:,}/{progress.questions:,}"] if progress.questions > 1 else []),
        f"members {progress.done:,}/{progress.size:,}",
        *([f"accuracy {' '.join(scores)}"] if set(scores) != {"-"} else []),
        *_pace(progress),
        *([one_line(progress.obstacle, 300)] if progress.obstacle is not None else []),
    ]
    return " | ".join(parts)


def render(progress: Progress, title: Text, console: Console) -> Group:
    """Return the live view: a row a population, as many as the terminal has room for."""
    ascii_only = console.options.ascii_only
    blocks = _ASCII_BLOCKS if ascii_only else _BLOCKS
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(ratio=1)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True, min_width=7)
    for t in rows(progress.tallies, console.size.height - (5 if progress.obstacle is None else 8)):
        tally = progress.tallies[t - 1]
        table.add_row(
            Text(f"t={t}", "bold" if 0 < tally.done < tally.size else ""),
            Bar(tally, blocks),
            Text(f"{tally.done:,}/{tally.size:,}", "bright_black"),
            Text(_verdict(tally), "bold green"),
        )
    state = [f"{progress.finished_questions:,} of {progress.questions:,} questions"] if progress.questions > 1 else []
    footer = Text((" | " if ascii_only else " · ").join(state + _pace(progress)), no_wrap=True, overflow="ellipsis")
    below = [] if progress.obstacle is None else [Text(one_line(progress.obstacle, 300), "yellow")]
    return Group(title, table, _legend(progress, blocks), footer, *below)


def _verdict(tally: ProgressCounts) -> str:
    """Return a population's accuracy; without gold answers, the most frequent answer and its number of times."""
    if tally.accuracy is not None:
        return f"{tally.accuracy:.1%}"
    return "".join(f"{one_line(answer, 20)} ×{times}" for answer, times in tally.answers.most_common(1))


def rows(tallies: list[ProgressCounts], room: int) -> range:
    """Return the populations to show: those around the deepest one at work, where there is no room for all."""
    room = max(1, min(room, len(tallies)))
    deepest = max((t for t, tally in enumerate(tallies, 1) if tally.done), default=1)
    first = max(1, min(deepest - room // 2, len(tallies) - room + 1))
    return range(first, first + room)


def _parts(tally: ProgressCounts) -> tuple[int, int, int, int]:
    """Return the members in each state but the last."""
    return tally.right, tally.wrong, tally.unanswered, max(0, tally.done - tally.judged)


class Bar:
    """A population as a bar whose parts are its right, wrong and missing answers and what is still to come."""

    def __init__(self, tally: ProgressCounts, blocks: str) -> None:
        self._tally = tally
        self._blocks = blocks

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(4, options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        position, width = 0, options.max_width
        shares = [total * width // max(1, self._tally.size) for total in accumulate(_parts(self._tally))]
        for block, style, share in zip(self._blocks, _STATES.values(), [*shares, width], strict=True):
            end = min(width, share)
            yield Segment(block * (end - position), Style.parse(style))
            position = end


def _legend(progress: Progress, blocks: str) -> Text:
    seen = [*map(any, zip(*map(_parts, progress.tallies), strict=True)), progress.done < progress.size]
    legend = Text(no_wrap=True, overflow="ellipsis")
    for (name, style), block, there in zip(_STATES.items(), blocks, seen, strict=True):
        if there:
            legend.append(block, style)
            legend.append(f" {name}   ", "bright_black")
    return legend


def _pace(progress: Progress) -> list[str]:
    left = progress.left_s
    return [
        *([] if progress.untold else [f"{progress.tokens_per_second():,.0f} tokens/s"]),
        f"{clock(progress.elapsed_s)} {'so far' if progress.done < progress.size else 'in all'}"
        + (f", {clock(left)} left" if left is not None and progress.done < progress.size else ""),
        *([f"{progress.failures:,} failed"] if progress.failures else []),
        *([f"no reply for {clock(progress.silent_s)}"] if progress.silent_s >= SILENT_S else []),
    ]


def clock(seconds: float) -> str:
    """Return seconds as ``m:ss`` or ``h:mm:ss``."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _share(progress: Progress) -> float:
    return progress.done / progress.size if progress.size else 1.0
