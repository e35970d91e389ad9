"""The figure of the front."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import selfagg
from selfagg.analysis.front import draw_front, front_figure
from selfagg.analysis.shadow import Shadows
from selfagg.engine.record import Record
from selfagg.methods import RSA

pytest.importorskip("matplotlib")


def test_the_points_are_the_settings(write: Callable[..., Record], tmp_path: Path) -> None:
    shadows = Shadows(write([("RRRa", "RRRR", "RRRR"), ("aabR", "aRRR", "RRRR")]))
    plain = [shadows.of(RSA(n=4, k=2, t=t)) for t in (1, 2, 3)]
    adaptive = [shadows.of(RSA(n=4, k=2, t=3, stop="share:0.75")), shadows.of(RSA(n=4, k=2, t=3, copy=True))]
    drawn = front_figure(plain, adaptive)
    calls, tokens = drawn.axes
    assert list(calls.lines[0].get_xdata()) == [4, 8, 12]
    assert list(calls.lines[0].get_ydata()) == pytest.approx([50, 87.5, 100])
    assert list(tokens.lines[0].get_xdata()) == sorted(shadow.tokens for shadow in plain if shadow.tokens)
    assert len(calls.lines[3].get_xdata()) == 1  # the one by r_c is hollow
    draw_front(plain, adaptive, tmp_path / "front.svg")
    assert "with stop and copy" in (tmp_path / "front.svg").read_text()
    with pytest.raises(selfagg.UsageError, match="a figure's name ends in"):
        draw_front(plain, adaptive, tmp_path / "front.gif")
