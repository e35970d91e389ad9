"""The figure of the front."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

import selfagg
from selfagg.analysis.plots import draw_front, front_figure
from selfagg.analysis.shadow import Shadows
from selfagg.methods import RSA
from selfagg.record.record import Record


def x(ax: Axes, line: int) -> list[float]:
    """Return where the points of a line lie."""
    return [float(value) for value in np.asarray(ax.lines[line].get_xdata())]


def test_the_points_are_the_settings(write: Callable[..., Record], tmp_path: Path) -> None:
    shadows = Shadows(write([("RRRa", "RRRR", "RRRR"), ("aabR", "aRRR", "RRRR")]))
    plain = [shadows.of(RSA(n=4, k=2, t=t)) for t in (1, 2, 3)]
    adaptive = [shadows.of(RSA(n=4, k=2, t=3, stop="share:0.75")), shadows.of(RSA(n=4, k=2, t=3, copy=True))]
    drawn = front_figure(plain, adaptive)
    calls, tokens = drawn.axes
    assert x(calls, 0) == [4, 8, 12]
    assert np.asarray(calls.lines[0].get_ydata()).tolist() == pytest.approx([50, 87.5, 100])
    assert x(tokens, 0) == sorted(shadow.tokens for shadow in plain if shadow.tokens)
    assert len(x(calls, 3)) == 1  # the one by r_c is hollow
    draw_front(plain, adaptive, tmp_path / "front.svg")
    assert "with stop and copy" in (tmp_path / "front.svg").read_text()
    with pytest.raises(selfagg.UsageError, match="a figure's name ends in"):
        draw_front(plain, adaptive, tmp_path / "front.gif")
