"""The front of a record as a figure: accuracy against calls and tokens, with and without stop and copy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from selfagg._internal import extras
from selfagg._internal.files import whole
from selfagg.analysis.plots import COLOURS, FORMATS, STYLE
from selfagg.analysis.shadow import Shadow
from selfagg.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_front(plain: Sequence[Shadow], adaptive: Sequence[Shadow], out: Path) -> None:
    """Draw `front_figure` into a file.

    Args:
        plain: The front of the settings that neither stop nor copy.
        adaptive: The front of all settings.
        out: The file; its ending says PNG, SVG or PDF.

    Raises:
        UsageError: Another ending, a file that cannot be written, or matplotlib is not installed.
    """
    if out.suffix.lower() not in FORMATS:
        raise UsageError(f"cannot draw {out}: a figure's name ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    drawn = front_figure(plain, adaptive)
    import matplotlib as mpl

    try:
        with mpl.rc_context(STYLE), whole(out) as beside:
            drawn.savefig(beside, dpi=200, format=out.suffix[1:].lower())
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from None


def front_figure(plain: Sequence[Shadow], adaptive: Sequence[Shadow]) -> Figure:
    """Return two panels, accuracy against calls and against tokens; hollow points are by r_c."""
    extras.need("plots")
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(6.6, 2.8), layout="constrained")
        for ax, cost in zip(drawn.subplots(1, 2, sharey=True), ("calls", "tokens"), strict=True):
            _line(ax, plain, cost, "without stop and copy", COLOURS[0], "o")
            _line(ax, adaptive, cost, "with stop and copy", COLOURS[1], "s")
            ax.set_title(f"Accuracy by {cost}")
            ax.set_xlabel(f"{cost} a question")
        drawn.axes[0].set_ylabel("accuracy, %")
        drawn.axes[0].legend(loc="lower right")
    return drawn


def _line(ax: Axes, front: Sequence[Shadow], cost: str, label: str, colour: str, marker: str) -> None:
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
