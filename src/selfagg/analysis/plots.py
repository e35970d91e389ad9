"""Figures of one or several runs for a paper: PNG, SVG or PDF, readable in print and without colour vision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from selfagg._internal import extras
from selfagg._internal.files import whole
from selfagg.analysis.aggregation import aggregations
from selfagg.analysis.costs import Cost, costs_by_population
from selfagg.analysis.labels import labels_for, settings_of
from selfagg.analysis.statistics import Estimate
from selfagg.analysis.summary import Summary, summarise
from selfagg.analysis.trajectory import Trajectory, trajectory
from selfagg.errors import UsageError
from selfagg.methods import is_uniform
from selfagg.record.record import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

Line = Literal["-", "--", ":", ""]

FORMATS = (".png", ".svg", ".pdf")

# Okabe and Ito's palette, darkest first so that print keeps the order; markers tell runs apart without it.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
MARKERS = "osD^vPX"
SHARES = (-0.03, 1.16)  # nothing at 0 or 1 is clipped, and a legend fits above

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


@dataclass(frozen=True)
class _PlottedRun:
    """One record's numbers, and how it is drawn."""

    label: str
    colour: str
    marker: str
    summary: Summary
    costs: Sequence[Cost]
    rates: Sequence[Estimate | None]
    trajectory: Trajectory | None

    @property
    def populations(self) -> list[int]:
        return [population.t for population in self.summary.populations]


def plot(records: Sequence[Record], out: Path) -> None:
    """Draws `figure` into a file.

    Args:
        records: At least one.
        out: The file; its ending says PNG, SVG or PDF.

    Raises:
        UsageError: Another ending, a file that cannot be written, a record of which nothing is done or nobody knows
            what is right, or matplotlib is not installed.
    """
    if out.suffix.lower() not in FORMATS:
        raise UsageError(f"cannot draw {out}: a figure's name ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    drawn = figure(records)
    import matplotlib as mpl

    try:
        with mpl.rc_context(STYLE), whole(out) as beside:
            drawn.savefig(beside, dpi=200, format=out.suffix[1:].lower())
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from None


def figure(records: Sequence[Record]) -> Figure:
    """Six panels, or four where no run aggregates.

    Accuracy, pass@N and majority by population; accuracy against tokens; distinct answers; lengths; r_c; and the
    accuracy that r_c predicts beside the measured one. Bands and bars are 95 % intervals over questions; of lengths,
    the middle half of the replies. Runs that differ in nothing but the seed share a colour.

    Raises:
        UsageError: As for `plot`.
    """
    extras.need("plots")
    import matplotlib as mpl
    from matplotlib.figure import Figure

    runs = _runs(records)
    panels = [_by_population, _by_tokens, _distinct, _lengths]
    if any(run.trajectory for run in runs):
        panels += [_rates, _predicted]
    columns = len(panels) // 2
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(3.3 * columns, 5.6), layout="constrained")
        for panel, ax in zip(panels, drawn.subplots(2, columns).T.flatten(), strict=True):
            panel(ax, runs)
        keys = {run.label: _key(run.label, "-", run.marker, run.colour) for run in runs}
        handles = list(keys.values())
        drawn.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 3), fontsize=8)
    return drawn


def _runs(records: Sequence[Record]) -> list[_PlottedRun]:
    summaries = [summarise(record) for record in records]
    for summary in summaries:
        if summary.answer_accuracy is None:
            raise UsageError(f"nothing to draw of record {summary.record}: no question with a gold answer is done")
    labels = labels_for([settings_of(record) for record in records])
    places = {label: place for place, label in enumerate(dict.fromkeys(labels))}
    runs = []
    for record, summary, label in zip(records, summaries, labels, strict=True):
        counts = aggregations(record)
        runs.append(
            _PlottedRun(
                label=f"{label} (simulated)" if summary.simulated else label,
                colour=COLOURS[places[label] % len(COLOURS)],
                marker=MARKERS[places[label] % len(MARKERS)],
                summary=summary,
                costs=costs_by_population(record),
                rates=counts.right_by_parents() if counts else [],
                trajectory=trajectory(record),
            )
        )
    return runs


def _by_population(ax: Axes, runs: Sequence[_PlottedRun]) -> None:
    for place, run in enumerate(runs):
        populations = run.summary.populations
        _banded(ax, run, run.populations, [population.accuracy for population in populations])
        shift = 0.4 * (place + 1) / max(len(runs), 8)  # so that bars hide neither each other nor the next population's
        after, before = ([t + side * shift for t in run.populations] for side in (1, -1))
        _barred(ax, run, after, [population.majority for population in populations], "--")
        _barred(ax, run, before, [population.pass_at_n for population in populations], ":")
    _legend(ax, [_key("accuracy", "-", "o"), _key("majority", "--", "x"), _key("pass@N", ":", "_")])
    ax.set(title="Right answers", ylim=SHARES, ylabel="share of questions or members")
    _population_axis(ax)


def _by_tokens(ax: Axes, runs: Sequence[_PlottedRun]) -> None:
    for run in runs:
        tokens = [cost.tokens / 1000 for cost in run.costs if cost.tokens is not None]
        if len(tokens) < len(run.costs):
            continue  # no server told them
        if is_uniform(run.summary.method):
            _banded(ax, run, tokens, [population.accuracy for population in run.summary.populations])
        else:  # the method chooses among its members: there is no answer before the last population
            _point(ax, run, tokens[-1], run.summary.answer_accuracy)
    ax.set(title="The answer against its cost", ylim=SHARES, ylabel="accuracy")
    ax.set_xlim(left=0)
    ax.set_xlabel("thousand tokens a question, prompts included")


def _distinct(ax: Axes, runs: Sequence[_PlottedRun]) -> None:
    for run in runs:
        values = [population.distinct for population in run.summary.populations]
        ax.plot(run.populations, values, color=run.colour, marker=run.marker)
    ax.set(title="Diversity", ylabel="distinct answers a question")
    _from_zero(ax)
    _population_axis(ax)


def _lengths(ax: Axes, runs: Sequence[_PlottedRun]) -> None:
    for run in runs:
        quantiles = [population.token_quantiles for population in run.summary.populations]
        known = [(t, found) for t, found in zip(run.populations, quantiles, strict=True) if found]
        populations = [t for t, _ in known]
        low, middle, high = ([found[q] for _, found in known] for q in (0.25, 0.5, 0.75))
        ax.plot(populations, middle, color=run.colour, marker=run.marker)
        ax.fill_between(populations, low, high, color=run.colour, alpha=0.15, linewidth=0)
    ax.set(title="Length of replies", ylabel="tokens (median, middle half)")
    _from_zero(ax)
    _population_axis(ax)


def _rates(ax: Axes, runs: Sequence[_PlottedRun]) -> None:
    drawn = [run for run in runs if run.rates]
    for place, run in enumerate(drawn):
        shift = 0.012 * (place - (len(drawn) - 1) / 2)  # so that bars do not hide each other
        k = len(run.rates) - 1
        known = [(c / k + shift, rate) for c, rate in enumerate(run.rates) if rate is not None]
        xs = [x for x, _ in known]
        ax.plot(xs, [rate.mean for _, rate in known], color=run.colour, linewidth=0.8)
        for x, rate in known:
            _point(ax, run, x, rate)
    ax.plot([0, 1], [0, 1], color="#777777", linewidth=0.8, linestyle=":", zorder=1)
    _legend(ax, [_key("a parent drawn at random", ":", colour="#777777")])
    ax.set(title="Aggregation: $r_c$", ylim=SHARES, ylabel="share of right aggregations")
    ax.set_xlabel("share c / K of right parents")


def _predicted(ax: Axes, runs: Sequence[_PlottedRun]) -> None:
    for run in runs:
        if run.trajectory is None:
            continue
        steps = run.trajectory.steps
        ts = [step.t for step in steps]
        ax.plot(ts, [step.predicted for step in steps], color=run.colour, linestyle="--")
        ax.fill_between(
            ts, [step.low for step in steps], [step.high for step in steps], color=run.colour, alpha=0.15, linewidth=0
        )
        measured = [(step.t, step.measured) for step in steps if step.measured is not None]
        ax.plot(*zip(*measured, strict=True), color=run.colour, marker=run.marker, linestyle="")
        if run.trajectory.enough is not None:
            ax.vlines(run.trajectory.enough, 0, 1, color=run.colour, linewidth=0.8, linestyle=":")
    _legend(ax, [_key("measured", "", "o"), _key("predicted by $r_c$", "--"), _key("enough", ":")])
    ax.set(title="Predicted and measured", ylim=SHARES, ylabel="accuracy")
    _population_axis(ax)


def _banded(ax: Axes, run: _PlottedRun, xs: Sequence[float], estimates: Sequence[Estimate | None]) -> None:
    known = [(x, estimate) for x, estimate in zip(xs, estimates, strict=True) if estimate is not None]
    if len(known) == 1:
        _point(ax, run, *known[0])
        return
    at = [x for x, _ in known]
    low, high = [estimate.low for _, estimate in known], [estimate.high for _, estimate in known]
    ax.plot(at, [estimate.mean for _, estimate in known], color=run.colour, marker=run.marker)
    ax.fill_between(at, low, high, color=run.colour, alpha=0.15, linewidth=0)


def _barred(ax: Axes, run: _PlottedRun, xs: Sequence[float], estimates: Sequence[Estimate | None], style: Line) -> None:
    """A thin line with thin bars, for what is not the main thing; the marker is the same for every run."""
    known = [(x, estimate) for x, estimate in zip(xs, estimates, strict=True) if estimate is not None]
    at, means = [x for x, _ in known], [estimate.mean for _, estimate in known]
    ax.plot(at, means, color=run.colour, linestyle=style, linewidth=1, marker="_" if style == ":" else "x")
    low, high = [estimate.low for _, estimate in known], [estimate.high for _, estimate in known]
    ax.vlines(at, low, high, color=run.colour, linewidth=0.5, alpha=0.6)


def _point(ax: Axes, run: _PlottedRun, x: float, estimate: Estimate | None) -> None:
    if estimate is not None:
        below, above = max(estimate.mean - estimate.low, 0), max(estimate.high - estimate.mean, 0)
        ax.errorbar(x, estimate.mean, [[below], [above]], color=run.colour, marker=run.marker, elinewidth=1, capsize=2)


def _key(label: str, style: Line, marker: str = "", colour: str = "#444444") -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, linestyle=style, marker=marker, label=label)


def _legend(ax: Axes, keys: list[Line2D]) -> None:
    ax.legend(handles=keys, loc="upper left", ncols=len(keys), columnspacing=1, borderaxespad=0)


def _population_axis(ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.set_xlabel("population")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _from_zero(ax: Axes) -> None:
    ax.set_ylim(0, 1.05 * ax.get_ylim()[1])
