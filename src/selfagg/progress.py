"""Show a run while it runs: a live view on a terminal and in a notebook, a plain line now and then in a pipe.

`Progress` counts what the engine tells; a thread of the display's own only reads the counters, so it costs the run
nothing.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from selfagg.analysis.labels import named
from selfagg.errors import UsageError
from selfagg.methods import method_named
from selfagg.record.record import Record, Store
from selfagg.record.rows import CANDIDATE
from selfagg.run.engine import Callback
from selfagg.run.runner import INCOMPLETE
from selfagg.terminal import one_line, say
from selfagg.types import Member

WINDOW_S = 60.0
"""Seconds over which the tokens per second are averaged: replies come in bursts."""
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

_DONE = f"""
SELECT g.question, g.t, count(*), coalesce(sum(s.score >= 1), 0),
    coalesce(sum(s.score < 1 AND s.answer IS NOT NULL), 0), coalesce(sum(s.answer IS NULL), 0), count(s.score)
FROM generations g JOIN scores s USING (question, t, i) JOIN questions q ON q.position = g.question
WHERE g.role = 'candidate' AND q.weights IS NOT NULL AND g.question NOT IN ({INCOMPLETE})
GROUP BY g.question, g.t
"""  # noqa: S608 - constants


@dataclass(slots=True)
class ProgressCounts:
    """The counts of one population, over all questions: the members it will have, and the states of those done.

    ``answers`` counts the answers as they are written, in a run of one question. Of a question that stopped before,
    the last members are carried forward: they count in the accuracy alone.
    """

    size: int
    done: int = 0
    right: int = 0
    wrong: int = 0
    unanswered: int = 0
    carried_right: int = 0
    carried_judged: int = 0
    answers: Counter[str] = field(default_factory=Counter)

    @property
    def parts(self) -> tuple[int, int, int, int]:
        """Return the members that are right, wrong, without an answer, and just done."""
        judged = self.right + self.wrong + self.unanswered
        return self.right, self.wrong, self.unanswered, max(0, self.done - judged)

    @property
    def accuracy(self) -> float | None:
        """Return the share of right members among those judged so far; None without gold answers."""
        if not self.right + self.wrong + self.carried_judged:
            return None
        judged = self.right + self.wrong + self.unanswered + self.carried_judged
        return (self.right + self.carried_right) / judged


class Progress(Callback):
    """The state of a run so far. The engine updates it on its event loop, and a display's thread reads it."""

    def __init__(
        self,
        sizes: Sequence[int] | None = None,
        questions: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Count from zero.

        Args:
            sizes: Members of each population of a question; None: those of the run's method.
            questions: Questions in all; None: those of the run.
            clock: Seconds since whenever.
        """
        self._sizes, self._questions, self._clock = sizes, questions, clock
        self._reset(sizes or (), questions or 0)

    def _reset(self, sizes: Sequence[int], questions: int) -> None:
        self.tallies = [ProgressCounts(size * questions) for size in sizes]  # populations 1, 2, ...
        self._each = sizes
        # Of a question that is not done, by population: members that are there, that are right, that are scored.
        self._open: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0, 0]))
        self.questions, self.finished_questions = questions, 0
        # Of this session: calls that were answered, or failed for good; tokens, and replies that do not tell them.
        self.calls = self.failures = self.tokens = self.untold = 0
        self.obstacle: str | None = None
        self._fresh_members = 0
        self.begin()

    def begin(self) -> None:
        """Start the clock: loading a model is not the run's time."""
        self._begun = self._heard = self._clock()
        self._past = deque([(self._begun, self.tokens)])

    def resume(self, record: Store) -> None:
        """Count the questions that a record has done already: the engine passes over them in silence."""
        done = set()
        for question, t, made, right, wrong, unanswered, scored in record.query(_DONE):
            tally = self.tallies[t - 1]
            tally.done += made
            tally.right += right
            tally.wrong += wrong
            tally.unanswered += unanswered
            self._open[question][t] = [made, right, scored]
            done.add(question)
        for question in done:
            self.finished(question)

    def started(self, record: Store) -> None:
        ((questions,),) = record.query("SELECT count(*) FROM questions")
        settings = getattr(record, "configuration", {}).get("method", {})
        self._reset(_sizes(settings) if self._sizes is None else self._sizes, self._questions or questions)
        self.resume(record)

    def generated(self, question: int, member: Member, role: str, *, fresh: bool) -> None:
        if role == CANDIDATE:
            tally = self.tallies[member.t - 1]
            tally.done += 1
            self._open[question][member.t][0] += 1
            tally.size = max(tally.size, tally.done)  # where one answer's ancestors failed, others are computed
            self._fresh_members += fresh
        if fresh:
            self._heard = self._clock()
            self.calls += not member.copied
            self.failures += member.reply is None
            if member.reply:
                self.tokens += member.reply.usage.completion
                self.untold += member.reply.usage.unknown

    def scored(self, question: int, member: Member) -> None:
        tally = self.tallies[member.t - 1]
        if self.questions == 1 and member.answer is not None:
            tally.answers[member.answer] += 1
        self._open[question][member.t][1] += member.right
        self._open[question][member.t][2] += member.score is not None
        if member.right:
            tally.right += 1
        elif member.answer is None:
            tally.unanswered += 1
        elif member.score is not None:
            tally.wrong += 1

    def finished(self, question: int) -> None:
        self.finished_questions += 1
        counts = self._open.pop(question, {})
        last = max((t for t, (made, *_) in counts.items() if made), default=0)
        for t, (size, tally) in enumerate(zip(self._each, self.tallies, strict=True), start=1):
            if t > last:  # what stopped early: its last members count in the accuracy of populations it did not reach
                tally.carried_right += counts[last][1] if last else 0
                tally.carried_judged += counts[last][2] if last else 0
            tally.size -= max(size - (counts[t][0] if t in counts else 0), 0)

    def waiting(self, why: str | None) -> None:
        self.obstacle = why

    @property
    def done(self) -> int:
        """Return the number of members that are there, over all populations."""
        return sum(tally.done for tally in self.tallies)

    @property
    def size(self) -> int:
        """Return the number of members that there will be."""
        return sum(tally.size for tally in self.tallies)

    @property
    def share(self) -> float:
        """Return the part of the members that are there."""
        return self.done / self.size if self.size else 1.0

    @property
    def elapsed_s(self) -> float:
        """Return the seconds since this session began."""
        return self._clock() - self._begun

    @property
    def silent_s(self) -> float:
        """Return the seconds since the last call ended, while members are to come."""
        return self._clock() - self._heard if self.done < self.size else 0.0

    @property
    def left_s(self) -> float | None:
        """Return the seconds that the rest will take at this session's pace; None while there is no pace."""
        return (self.size - self.done) * self.elapsed_s / self._fresh_members if self._fresh_members else None

    def tokens_per_second(self) -> float:
        """Return the completion tokens a second over the last `WINDOW_S`; one display calls this now and then."""
        now = self._clock()
        self._past.append((now, self.tokens))
        while len(self._past) > 2 and now - self._past[1][0] > WINDOW_S:
            self._past.popleft()
        then, tokens = self._past[0]
        return (self.tokens - tokens) / (now - then) if now > then else 0.0


def _sizes(settings: Mapping[str, Any]) -> list[int]:
    """Return the members of each population of a recorded method; of a method that nobody registers, N each."""
    try:
        method = method_named(**settings)
    except UsageError:
        return [settings["n"]] * settings["t"]
    return [method.size(t) for t in range(1, method.t + 1)]


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
        view = lambda: render(progress, title, console)  # noqa: E731 - drawn anew four times a second
        with Live(console=console, refresh_per_second=4, redirect_stdout=False, get_renderable=view):
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
    shown_at, shown_share, told, told_at = 0.0, progress.share, None, -WAIT_EVERY_S
    while not over.wait(0.5):
        elapsed, share, obstacle = progress.elapsed_s, progress.share, progress.obstacle
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
        f"{progress.share:4.0%}",
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
        # A population's accuracy; without gold answers, the most frequent answer and its number of times.
        verdict = "".join(f"{one_line(answer, 20)} ×{times}" for answer, times in tally.answers.most_common(1))
        table.add_row(
            Text(f"t={t}", "bold" if 0 < tally.done < tally.size else ""),
            Bar(tally, blocks),
            Text(f"{tally.done:,}/{tally.size:,}", "bright_black"),
            Text(verdict if tally.accuracy is None else f"{tally.accuracy:.1%}", "bold green"),
        )
    state = [f"{progress.finished_questions:,} of {progress.questions:,} questions"] if progress.questions > 1 else []
    footer = Text((" | " if ascii_only else " · ").join(state + _pace(progress)), no_wrap=True, overflow="ellipsis")
    below = [] if progress.obstacle is None else [Text(one_line(progress.obstacle, 300), "yellow")]
    return Group(title, table, _legend(progress, blocks), footer, *below)


def rows(tallies: list[ProgressCounts], room: int) -> range:
    """Return the populations to show: those around the deepest one at work, where there is no room for all."""
    room = max(1, min(room, len(tallies)))
    deepest = max((t for t, tally in enumerate(tallies, 1) if tally.done), default=1)
    first = max(1, min(deepest - room // 2, len(tallies) - room + 1))
    return range(first, first + room)


@dataclass(frozen=True)
class Bar:
    """A population as a bar whose parts are its right, wrong and missing answers and what is still to come."""

    tally: ProgressCounts
    blocks: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        position, width = 0, options.max_width
        shares = [total * width // max(1, self.tally.size) for total in accumulate(self.tally.parts)]
        for block, style, share in zip(self.blocks, _STATES.values(), [*shares, width], strict=True):
            end = min(width, share)
            yield Segment(block * (end - position), Style.parse(style))
            position = end


def _legend(progress: Progress, blocks: str) -> Text:
    seen = [*map(any, zip(*(tally.parts for tally in progress.tallies), strict=True)), progress.done < progress.size]
    legend = Text(no_wrap=True, overflow="ellipsis")
    for (name, style), block, there in zip(_STATES.items(), blocks, seen, strict=True):
        if there:
            legend.append(block, style).append(f" {name}   ", "bright_black")
    return legend


def _pace(progress: Progress) -> list[str]:
    left, going_on = progress.left_s, progress.done < progress.size
    return [
        *([] if progress.untold else [f"{progress.tokens_per_second():,.0f} tokens/s"]),
        f"{clock(progress.elapsed_s)} {'so far' if going_on else 'in all'}"
        + (f", {clock(left)} left" if left is not None and going_on else ""),
        *([f"{progress.failures:,} failed"] if progress.failures else []),
        *([f"no reply for {clock(progress.silent_s)}"] if progress.silent_s >= SILENT_S else []),
    ]


def clock(seconds: float) -> str:
    """Return seconds as ``m:ss`` or ``h:mm:ss``."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
