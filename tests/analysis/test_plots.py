"""Figures are drawn of every kind of run, and show the numbers that the analyses give."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from selfagg.analysis.plots import figure, plot
from selfagg.analysis.summary import summarise
from selfagg.analysis.trajectory import trajectory
from selfagg.engine.record import Record
from selfagg.errors import UsageError

Write = Callable[..., Record]
MAJORITY = {"name": "majority", "n": 2, "t": 1}
SINGLE = {"name": "single", "n": 2, "t": 1}


def panels(drawn: Figure) -> dict[str, list[Line2D]]:
    """The lines of each panel by its title."""
    return {ax.get_title(loc="left"): list(ax.lines) for ax in drawn.axes}


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
    assert {"Right answers", "rsa n=8 k=3 t=5 (simulated)", "population"} <= words


def test_the_curves_are_the_numbers_of_the_analyses(simulated_run: Record) -> None:
    lines = panels(figure([simulated_run]))
    populations = summarise(simulated_run).populations
    accuracies = [population.accuracy.mean for population in populations if population.accuracy]
    assert ys(lines["Right answers"][0]) == ys(lines["The answer against its cost"][0]) == accuracies
    assert ys(lines["Diversity"][0]) == [population.distinct for population in populations]
    predicted = trajectory(simulated_run)
    assert predicted is not None
    assert ys(lines["Predicted and measured"][0]) == [step.predicted for step in predicted.steps]
    assert ys(lines["Predicted and measured"][1]) == pytest.approx(accuracies)


def test_runs_that_do_not_aggregate_have_no_panels_of_aggregation(write: Write) -> None:
    majority, single = write([["RR"], ["aa"]], method=MAJORITY), write([["Ra"], ["aa"]], method=SINGLE)
    alone, both = panels(figure([majority])), panels(figure([majority, single]))
    assert (
        list(alone) == list(both) == ["Right answers", "Diversity", "The answer against its cost", "Length of replies"]
    )
    rsa = write([["Ra", "RR"], ["aa", "Ra"]])
    assert len(panels(figure([majority, rsa, single]))) == 6


def test_seeds_of_one_method_share_a_colour_and_a_name(write: Write) -> None:
    runs = [write([["Ra", "RR"], ["aa", "aR"]], seed=seed) for seed in (1, 2)]
    drawn = figure([*runs, write([["Ra"], ["aa"]], method=SINGLE)])
    first, second, third = panels(drawn)["Diversity"]
    assert first.get_color() == second.get_color() != third.get_color()
    (legend,) = drawn.legends
    assert len(legend.get_texts()) == 2


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


def test_the_points_of_many_runs_stay_at_their_population(simulated_run: Record) -> None:
    for line in panels(figure([simulated_run] * 6))["Right answers"]:
        xs = np.asarray(line.get_xdata(), dtype=float)
        if len(xs) == 5:  # a curve over the five populations; a bar of an interval has fewer points
            assert np.abs(xs - np.arange(1, 6)).max() < 0.5
