"""Figures are drawn of every kind of run, and show the numbers that the analyses give."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import selfagg
from selfagg.analysis.plots import COLUMN, PANELS, PanelName, draw_front, figure, front_figure, plot
from selfagg.analysis.shadow import Shadows
from selfagg.analysis.summary import summarise
from selfagg.analysis.trajectory import trajectory
from selfagg.errors import UsageError
from selfagg.methods import RSA
from selfagg.record.record import Record

Write = Callable[..., Record]
MAJORITY = {"name": "majority", "n": 2, "t": 1}
SINGLE = {"name": "single", "n": 2, "t": 1}


def panels(drawn: Figure) -> dict[str, list[Line2D]]:
    """The lines of each panel by its title."""
    return {ax.get_title(loc="left"): list(ax.lines) for ax in drawn.axes}


def xs(line: Line2D) -> list[float]:
    return list(np.asarray(line.get_xdata(), dtype=float))


def ys(line: Line2D) -> list[float]:
    return list(np.asarray(line.get_ydata(), dtype=float))


@pytest.mark.parametrize(
    ("ending", "begins"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml"), (".PNG", b"\x89PNG")]
)
def test_each_format(write: Write, tmp_path: Path, ending: str, begins: bytes) -> None:
    out = tmp_path / f"figure{ending}"
    plot([write([["Ra", "RR"], ["aa", "aR"]])], out)
    assert out.read_bytes().startswith(begins)


def test_the_svg_keeps_its_words_as_text(simulated_run: Record, tmp_path: Path) -> None:
    plot([simulated_run], tmp_path / "figure.svg")
    words = {element.text for element in ET.parse(tmp_path / "figure.svg").iter() if element.tag.endswith("text")}
    assert {"Accuracy", "rsa n=8 k=3 t=5", "1 seed, simulated model", "population"} <= words


def test_the_curves_are_the_numbers_of_the_analyses(simulated_run: Record) -> None:
    lines = panels(figure([simulated_run]))
    populations = summarise(simulated_run).populations
    accuracies = [population.accuracy.mean for population in populations if population.accuracy]
    assert ys(lines["Accuracy"][0]) == ys(lines["The answer against its cost"][0]) == accuracies
    assert ys(lines["Diversity"][0]) == [population.distinct for population in populations]
    predicted = trajectory(simulated_run)
    assert predicted is not None
    assert ys(lines["Predicted and measured"][0]) == [step.predicted for step in predicted.steps]
    assert ys(lines["Predicted and measured"][1]) == pytest.approx(accuracies)


def test_runs_that_do_not_aggregate_have_no_panels_of_aggregation(write: Write) -> None:
    majority, single = write([["RR"], ["aa"]], method=MAJORITY), write([["Ra"], ["aa"]], method=SINGLE)
    alone, both = panels(figure([majority])), panels(figure([majority, single]))
    names = ["Accuracy", "pass@N and majority", "The answer against its cost", "Diversity", "Length of replies", ""]
    assert list(alone) == list(both) == names
    rsa = write([["Ra", "RR"], ["aa", "Ra"]])
    assert len(panels(figure([majority, rsa, single]))) == 8
    with pytest.raises(UsageError, match="nothing to draw in the panel r_c: no run aggregates"):
        figure([majority], "r_c")


def test_seeds_of_one_method_are_one_curve(write: Write) -> None:
    runs = [write([["Ra", "RR"], ["aa", "aR"]], seed=1), write([["RR", "RR"], ["aR", "RR"]], seed=2)]
    drawn = figure([*runs, write([["Ra"], ["aa"]], method=SINGLE)])
    pooled, single = panels(drawn)["Accuracy"][:2]
    assert ys(pooled) == [(1 / 4 + 3 / 4) / 2, (3 / 4 + 1) / 2]
    assert pooled.get_color() != single.get_color()
    legend = drawn.axes[-1].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["rsa n=2 k=2 t=2", "single n=2 t=1"]
    assert legend.get_title().get_text() == "1 or 2 seeds, simulated model"


def test_seeds_that_cannot_be_pooled_are_refused(write: Write) -> None:
    one = write([["Ra", "RR"], ["aa", "aR"]], seed=1)
    with pytest.raises(UsageError, match="two of the records are the same run"):
        figure([one, one])
    with pytest.raises(UsageError, match="have different questions"):
        figure([one, write([["Ra", "RR"]], seed=2)])


@pytest.mark.parametrize("name", PANELS)
def test_each_panel_alone_names_what_it_shows(write: Write, name: PanelName) -> None:
    drawn = figure([write([["Ra", "RR"], ["aa", "Ra"]])], name)
    (ax,), (legend,) = drawn.axes, drawn.legends
    assert drawn.get_figwidth() == COLUMN
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    assert legend.get_texts()[0].get_text() == "rsa n=2 k=2 t=2"


def test_r_c_is_drawn_over_c_by_k_beside_no_gain(write: Write) -> None:
    runs = [
        write([["Ra", "RR"], ["aa", "aa"]]),
        write([["RaR", "RRR"]], method={"name": "rsa", "n": 3, "k": 3, "t": 2}),
    ]
    no_gain, two, *_ = panels(figure(runs))["Aggregation: $r_c$"]
    assert (xs(no_gain), ys(no_gain)) == ([0, 1], [0, 1])
    assert (xs(two), ys(two)) == ([0, 0.5], [0, 1])
    lines = panels(figure(runs))["Aggregation: $r_c$"]
    assert [2 / 3] in [xs(line) for line in lines]


def test_a_method_that_chooses_at_the_end_is_a_level_line(write: Write) -> None:
    majority = write([["RRRa"], ["aabR"]], method={"name": "majority", "n": 4, "t": 1}, weights=[[1, 0, 0, 0]] * 2)
    rsa = write([["Ra", "RR"], ["aa", "Ra"]])
    level = panels(figure([rsa, majority]))["Accuracy"][1]
    assert ys(level) == [0.5, 0.5]
    assert level.get_linestyle() == "--"


def test_unanswered_and_failed_populations_are_drawn(write: Write, tmp_path: Path) -> None:
    plot([write([["!!", "!!"], ["--", "Ra"]])], tmp_path / "figure.png")
    plot([write([["!!"], ["!!"]], method=MAJORITY)], tmp_path / "figure.png")


def test_what_cannot_be_drawn_is_said(write: Write, tmp_path: Path) -> None:
    record = write([["Ra"]], method=SINGLE)
    with pytest.raises(UsageError, match=r"ends in \.png, \.svg or \.pdf"):
        plot([record], tmp_path / "figure.jpeg")
    with pytest.raises(UsageError, match=r"cannot write .*none/figure\.png"):
        plot([record], tmp_path / "none" / "figure.png")
    with pytest.raises(UsageError, match="no question with a gold answer is done"):
        plot([write([["Ra"]], gold=False)], tmp_path / "figure.png")


def test_without_matplotlib_the_extra_is_named(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"pip install 'selfagg\[plots\]'"):
        plot([write([["Ra"]], method=SINGLE)], tmp_path / "figure.png")


def test_nothing_lies_outside_its_panel(simulated_run: Record) -> None:
    for ax in figure([simulated_run]).axes:
        low, high = ax.get_ylim()
        assert all(low <= y <= high for line in ax.lines for y in ys(line))


def test_the_points_of_many_methods_stand_at_their_population(write: Write) -> None:
    runs = [write([["Ra", "RR", "RR"]] * 3, model=f"m{n}") for n in range(9)]
    for line in panels(figure(runs))["Accuracy"]:
        assert xs(line) == [1, 2, 3]


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
