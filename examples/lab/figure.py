"""The figure of an experiment: accuracy by population, and how each model aggregates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from examples.lab.arms import ARMS
from examples.lab.findings import Interval, Results, entry, of_arm, reads_right

from selfagg.analysis.plots import COLOURS, MARKERS, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURES = ("lab.png", "lab.svg")


def draw(results: Results, folder: Path) -> None:
    """Draws the figure as PNG and SVG: means over seeds, with 95 % intervals where there are several."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context(STYLE):
        figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(9.0, 3.0), layout="constrained")
        populations = range(len(results[0]["arms"]["base"]["accuracy"]))
        parents = range(len(results[0]["arms"]["base"]["reading"]["right"]))
        for place, arm in enumerate(ARMS):
            accuracies, predicted, within = (
                [of_arm(results, arm.name, entry(number, t)) for t in populations]
                for number in ("accuracy", "predicted", "pass_at_n")
            )
            reading = [of_arm(results, arm.name, reads_right(c)) for c in parents]
            steps = [t + 1 for t in populations]
            _line(left, steps, accuracies, place, arm.label)
            left.plot(steps, [p.mean if p else None for p in predicted], ":", color=COLOURS[place], linewidth=1)
            _line(middle, steps, within, place, arm.label)
            _line(right, list(parents), reading, place, arm.label)
        left.set(title="Accuracy (dotted: from r_c)", xlabel="population", ylim=(0, 1))
        middle.set(title="At least one right (pass@N)", xlabel="population", ylim=(0, 1))
        right.set(title="Right first word (r_c)", xlabel="right candidates c of 4", ylim=(0, 1.02))
        for ax in (left, middle):
            ax.set_xticks([t + 1 for t in populations])
        right.set_xticks(list(parents))
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=len(ARMS))
        for name in FIGURES:
            figure.savefig(folder / name, dpi=150)
        pyplot.close(figure)


def _line(ax: Axes, xs: Sequence[int], values: Sequence[Interval | None], place: int, label: str) -> None:
    known = [(x, value) for x, value in zip(xs, values, strict=True) if value is not None]
    places = [x for x, _ in known]
    ax.plot(places, [v.mean for _, v in known], color=COLOURS[place], marker=MARKERS[place], label=label)
    lows = [v.mean if v.low is None else max(0.0, v.low) for _, v in known]
    highs = [v.mean if v.high is None else min(1.0, v.high) for _, v in known]
    ax.fill_between(places, lows, highs, color=COLOURS[place], alpha=0.15, linewidth=0)
