"""Figures of one or several methods for a paper: PNG, SVG or PDF, readable in print and without colour vision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from selfagg._internal import extras
from selfagg._internal.files import whole
from selfagg.analysis.comparison import Curves, curves
from selfagg.analysis.labels import plural
from selfagg.analysis.shadow import Shadow
from selfagg.analysis.statistics import Estimate
from selfagg.errors import UsageError
from selfagg.record.record import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

PanelName = Literal["accuracy", "pass", "cost", "diversity", "length", "r_c", "predicted"]
Line = Literal["-", "--", ":", ""]

FORMATS = (".png", ".svg", ".pdf")

# Okabe and Ito's palette, darkest first so that print keeps the order; markers tell runs apart without it.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
MARKERS = "osD^vPX"
COLUMN = 3.3
"""Inches of a paper's column."""

STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}

Known = list[tuple[float, Estimate]]
"""Estimates, each with the place where it is drawn."""
Band = tuple[Sequence[float], Sequence[float]]
"""The lower and upper ends of intervals."""


class _Drawn(NamedTuple):
    """One method's numbers, and how it is drawn."""

    curves: Curves
    colour: str
    marker: str

    @property
    def ts(self) -> list[float]:
        return [float(population.t) for population in self.curves.populations]

    def known(self, name: str, xs: Sequence[float] | None = None) -> Known:
        """Return an estimate of each population that has it, by its name; ``xs``: places instead of populations."""
        found = [getattr(population, name) for population in self.curves.populations]
        return [(x, one) for x, one in zip(xs or self.ts, found, strict=True) if one is not None]

    def line(self, ax: Axes, xs: Sequence[float], ys: Sequence[float], band: Band | None = None, **style: Any) -> None:
        ax.plot(xs, ys, **{"color": self.colour, "marker": self.marker, **style})
        if band:
            ax.fill_between(xs, *band, color=self.colour, alpha=0.15, linewidth=0)

    def banded(self, ax: Axes, known: Known) -> None:
        """Draw a line with its intervals; a single point with a bar."""
        found = [one for _, one in known]
        if len(known) == 1:
            self.point(ax, *known[0])
        else:
            band = [one.low for one in found], [one.high for one in found]
            self.line(ax, [x for x, _ in known], [one.mean for one in found], band)

    def point(self, ax: Axes, x: float, found: Estimate | None) -> None:
        if found is not None:
            ends = [[max(found.mean - found.low, 0)], [max(found.high - found.mean, 0)]]
            ax.errorbar(x, found.mean, ends, color=self.colour, marker=self.marker, elinewidth=1, capsize=2)

    def key(self) -> Line2D:
        return _key(self.curves.label, "-", self.marker, self.colour)


def plot(records: Sequence[Record], out: Path, panel: PanelName | None = None) -> None:
    """Draw `figure` into a file.

    Args:
        records: At least one.
        out: The file; its ending says PNG, SVG or PDF.
        panel: One panel alone, a column wide; None: all of them.

    Raises:
        UsageError: Another ending, a file that cannot be written, a record of which nothing is done or nobody knows
            what is right, a panel with nothing to show, or matplotlib is not installed.
    """
    _write(out, lambda: figure(records, panel), 300)


def _write(out: Path, draw: Callable[[], Figure], dpi: int) -> None:
    if out.suffix.lower() not in FORMATS:
        raise UsageError(f"cannot draw {out}: a figure's name ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    drawn = draw()
    try:
        with _styled(), whole(out) as beside:
            drawn.savefig(beside, dpi=dpi, format=out.suffix[1:].lower())
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from None


@contextmanager
def _styled() -> Iterator[None]:
    extras.need("plots")
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        yield


def figure(records: Sequence[Record], panel: PanelName | None = None) -> Figure:
    """Return seven panels and their legend, five where no run aggregates, or one panel.

    One curve is one method: runs that differ in nothing but the seed are pooled. Bands and bars are 95 % intervals over
    questions, the seeds averaged within each; of lengths, the middle half of the replies.

    Raises:
        UsageError: As for `plot`.
    """
    with _styled():
        from matplotlib.figure import Figure

        methods = [
            _Drawn(one, COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)])
            for place, one in enumerate(curves(records))
        ]
        for one in methods:
            if one.curves.answer is None:
                raise UsageError(f"nothing to draw of {one.curves.label}: no question with a gold answer is done")
        aggregated = any(one.curves.counts is not None for one in methods)
        shown = {name: made for name, made in PANELS.items() if aggregated or name not in OF_AGGREGATION}
        if panel is not None:
            if panel not in shown:
                raise UsageError(f"there is nothing to draw in the panel {panel}: no run aggregates")
            return _single(shown[panel][1], methods)
        columns = (len(shown) + 2) // 2
        drawn = Figure(figsize=(COLUMN * columns, 5.2), layout="constrained")
        *axes, last = drawn.subplots(2, columns).flatten()
        for (title, draw), ax in zip(shown.values(), axes, strict=True):
            keys = draw(ax, methods)
            ax.set_title(title)
            if keys:
                ax.legend(handles=keys, loc="best")
        last.set_axis_off()
        last.legend(handles=[one.key() for one in methods], title=_said_of_all(methods), loc="center left", fontsize=8)
    return drawn


def _single(draw: Panel, methods: Sequence[_Drawn]) -> Figure:
    """Return one panel a column wide, with the methods that it shows named below."""
    from matplotlib.figure import Figure

    drawn = Figure(layout="constrained")
    ax = drawn.subplots()
    keys = draw(ax, methods)
    colours = {line.get_color() for line in ax.lines}
    shown = [one for one in methods if one.colour in colours]
    handles = [*(one.key() for one in shown), *keys]
    columns = 2 if max(len(str(key.get_label())) for key in handles) < 26 else 1
    drawn.set_size_inches(COLUMN, 0.7 * COLUMN + 0.16 * (2 + len(handles) / columns))
    drawn.legend(handles=handles, title=_said_of_all(shown), loc="outside lower center", ncols=columns)
    return drawn


def _said_of_all(methods: Sequence[_Drawn]) -> str:
    seeds = sorted({len(one.curves.seeds) for one in methods})
    counted = " or ".join([*map(str, seeds[:-1]), plural(seeds[-1], "seed")])
    return f"{counted}, simulated model" if any(one.curves.simulated for one in methods) else counted


def _accuracy(ax: Axes, methods: Sequence[_Drawn]) -> list[Line2D]:
    """Draw the mean accuracy of each population; a level line where the method chooses its answer at the end."""
    last = max(one.ts[-1] for one in methods)
    beyond = last
    for place, one in enumerate(methods):
        answer = one.curves.answer
        if last == 1:
            one.point(ax, place, answer)
        elif one.curves.uniform:
            one.banded(ax, one.known("accuracy"))
        elif answer is not None:
            beyond += 0.035 * last
            one.line(ax, [1, beyond], [answer.mean] * 2, linestyle="--", marker="")
            one.point(ax, beyond, answer)
    _axes(ax, "accuracy", "population" if last > 1 else "")
    if last == 1:
        ax.set_xticks([])
    chosen = last > 1 and any(not one.curves.uniform for one in methods)
    return [_key("chosen at the end", "--")] if chosen else []


def _pass(ax: Axes, methods: Sequence[_Drawn]) -> list[Line2D]:
    for one in methods:
        for name, style in (("pass_at_n", ":"), ("majority", "--")):
            known = one.known(name)
            xs, ys = [x for x, _ in known], [found.mean for _, found in known]
            one.line(ax, xs, ys, linestyle=style, linewidth=1, markersize=3)
    _axes(ax, "share of questions")
    return [_key("pass@N", ":"), _key("majority", "--")]


def _cost(ax: Axes, methods: Sequence[_Drawn]) -> list[Line2D]:
    for one in methods:
        tokens = [cost.tokens / 1000 for cost in one.curves.costs if cost.tokens is not None]
        if len(tokens) < len(one.curves.costs):
            continue  # no server told them
        if one.curves.uniform:
            one.banded(ax, one.known("accuracy", tokens))
        else:  # the method chooses among its members: there is no answer before the last population
            one.point(ax, tokens[-1], one.curves.answer)
    _axes(ax, "accuracy", "thousand tokens a question, prompts included")
    ax.set_xlim(left=0)
    return []


def _diversity(ax: Axes, methods: Sequence[_Drawn]) -> list[Line2D]:
    for one in methods:
        one.line(ax, one.ts, [population.distinct for population in one.curves.populations])
    _axes(ax, "distinct answers a question", zero=True)
    return []


def _lengths(ax: Axes, methods: Sequence[_Drawn]) -> list[Line2D]:
    for one in methods:
        known = [(p.t, p.token_quantiles) for p in one.curves.populations if p.token_quantiles]
        ts = [t for t, _ in known]
        low, middle, high = ([found[q] for _, found in known] for q in (0.25, 0.5, 0.75))
        one.line(ax, ts, middle, (low, high))
    _axes(ax, "tokens of a reply (median)", zero=True)
    return []


def _rates(ax: Axes, methods: Sequence[_Drawn]) -> list[Line2D]:
    """Draw r_c over c / K. On this axis no gain is the same line for every K: a candidate drawn at random."""
    ax.plot([0, 1], [0, 1], color="#777777", linewidth=0.8, linestyle=":", zorder=1)
    for one in methods:
        rates = one.curves.counts.right_by_parents() if one.curves.counts else []
        known = [(c / (len(rates) - 1), rate) for c, rate in enumerate(rates) if rate is not None]
        one.line(ax, [x for x, _ in known], [rate.mean for _, rate in known], linewidth=0.8, marker="")
        for x, rate in known:
            one.point(ax, x, rate)
    _axes(ax, "right aggregations, $r_c$", "right candidates, $c / K$")
    return [_key("no gain", ":", colour="#777777")]


def _predicted(ax: Axes, methods: Sequence[_Drawn]) -> list[Line2D]:
    for one in methods:
        if (trajectory := one.curves.trajectory) is None:
            continue
        steps = trajectory.steps
        ts = [step.t for step in steps]
        band = [step.low for step in steps], [step.high for step in steps]
        one.line(ax, ts, [step.predicted for step in steps], band, linestyle="--", marker="")
        measured = [step.measured for step in steps if step.measured is not None]
        one.line(ax, ts[: len(measured)], measured, linestyle="")
    _axes(ax, "accuracy")
    return [_key("measured", "", "o"), _key("predicted by $r_c$", "--")]


def _axes(ax: Axes, ylabel: str, xlabel: str = "population", *, zero: bool = False) -> None:
    """Show the values there are: from 0, or no more beyond 0 and 1 than a marker takes."""
    from matplotlib.ticker import MaxNLocator

    ax.set(xlabel=xlabel, ylabel=ylabel)
    low, high = ax.get_ylim()
    ax.set_ylim(*((0, 1.05 * high) if zero else (max(low, -0.03), min(high, 1.03))))
    if xlabel == "population":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _key(label: str, style: Line, marker: str = "", colour: str = "#444444") -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, linestyle=style, marker=marker, label=label)


Panel = Callable[["Axes", Sequence[_Drawn]], "list[Line2D]"]
PANELS: Mapping[PanelName, tuple[str, Panel]] = MappingProxyType(
    {
        "accuracy": ("Accuracy", _accuracy),
        "pass": ("pass@N and majority", _pass),
        "cost": ("The answer against its cost", _cost),
        "r_c": ("Aggregation: $r_c$", _rates),
        "diversity": ("Diversity", _diversity),
        "length": ("Length of replies", _lengths),
        "predicted": ("Predicted and measured", _predicted),
    }
)
"""Title and function of each panel by the name that ``selfagg plot --panel`` takes; it returns its legend's keys."""

OF_AGGREGATION = ("r_c", "predicted")


def draw_front(plain: Sequence[Shadow], adaptive: Sequence[Shadow], out: Path) -> None:
    """Draw `front_figure` of the settings that neither stop nor copy, and of all, into a file; raise as `plot` does."""
    _write(out, lambda: front_figure(plain, adaptive), 200)


def front_figure(plain: Sequence[Shadow], adaptive: Sequence[Shadow]) -> Figure:
    """Return two panels, accuracy against calls and against tokens; hollow points are by r_c."""
    with _styled():
        from matplotlib.figure import Figure

        drawn = Figure(figsize=(6.6, 2.8), layout="constrained")
        for ax, cost in zip(drawn.subplots(1, 2, sharey=True), ("calls", "tokens"), strict=True):
            _front(ax, plain, cost, "without stop and copy", COLOURS[0], "o")
            _front(ax, adaptive, cost, "with stop and copy", COLOURS[1], "s")
            ax.set(title=f"Accuracy by {cost}", xlabel=f"{cost} a question")
        drawn.axes[0].set_ylabel("accuracy, %")
        drawn.axes[0].legend(loc="lower right")
    return drawn


def _front(ax: Axes, front: Sequence[Shadow], cost: str, label: str, colour: str, marker: str) -> None:
    points = sorted(
        (getattr(one, cost), 100 * one.accuracy.mean, one.exact)
        for one in front
        if one.accuracy is not None and getattr(one, cost) is not None
    )
    if not points:
        return
    x, y, exact = zip(*points, strict=True)
    ax.plot(x, y, color=colour, label=label, marker=marker, markevery=[i for i, known in enumerate(exact) if known])
    hollow = [i for i, known in enumerate(exact) if not known]
    ax.plot([x[i] for i in hollow], [y[i] for i in hollow], marker, color=colour, markerfacecolor="white")
    ax.set_xscale("log")
