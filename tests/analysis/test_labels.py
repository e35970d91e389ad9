"""Which records are one method, what tells methods apart, and numbers in words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from selfagg.analysis.labels import grouped, named, plural
from selfagg.record.record import Record

Write = Callable[..., Record]
SINGLE = {"name": "single", "n": 1, "t": 1}


@pytest.mark.parametrize(("number", "words"), [(0, "0 seeds"), (1, "1 seed"), (2, "2 seeds"), (1000, "1,000 seeds")])
def test_a_number_of_things(number: int, words: str) -> None:
    assert plural(number, "seed") == words


def test_a_method_with_its_sizes() -> None:
    settings = {"name": "rsa", "order": "prefix", "t": 3, "n": 8, "k": 4, "stop": "unanimous"}
    assert named(settings) == "rsa n=8 k=4 t=3 stop=unanimous"


def test_seeds_of_one_method_are_one_group_and_a_second_run_of_a_seed_a_twin(write: Write) -> None:
    records = [write([["R"]], method=SINGLE, seed=seed) for seed in (1, 2, 1)]
    records.insert(1, write([["R", "R"]], seed=1))
    first, other, twin = grouped(records, by_source=True)
    assert (first.places, other.places, twin.places) == ([0, 2], [1], [3])
    assert (first.twin, other.twin, twin.twin) == (False, False, True)
    assert (first.settings["name"], other.label) == ("single", "rsa n=1 k=2 t=2")


def test_runs_on_questions_from_elsewhere_are_apart_where_that_is_asked(write: Write) -> None:
    records = [write([["R"]], method=SINGLE, seed=seed, source=f"set {seed}") for seed in (1, 2)]
    apart = grouped(records, by_source=True)
    assert [group.label for group in apart] == ["single n=1 t=1, set 1", "single n=1 t=1, set 2"]
    (together,) = grouped(records, by_source=False)
    assert (together.label, together.places) == ("single n=1 t=1", [0, 1])


def test_a_setting_is_named_where_it_differs(write: Write) -> None:
    heats = [{"temperature": 1.0, "top_p": None}, {"temperature": 0.5}]
    groups = grouped([write([["R"]], method=SINGLE, sampling=heat) for heat in heats], by_source=True)
    assert [group.label for group in groups] == [
        "single n=1 t=1 sampling.temperature=1.0",
        "single n=1 t=1 sampling.temperature=0.5",
    ]
