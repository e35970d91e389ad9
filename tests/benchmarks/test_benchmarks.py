"""Benchmarks by name, and what is said of names and options that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from selfagg.benchmarks import BENCHMARKS, Benchmark, benchmark, benchmark_names, load_questions
from selfagg.errors import UsageError


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_line_of_the_table_leads_to_its_benchmark(name: str) -> None:
    found = benchmark(name)
    assert isinstance(found, Benchmark)
    assert found.name == name
    if found.hub:
        assert len(found.hub.revision) == 40
        int(found.hub.revision, 16)


def test_unknown_names_are_refused_with_the_near_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no benchmark 'aime26'; did you mean aime25"):
        load_questions("aime26")
    with pytest.raises(UsageError, match="ask for reasoning_gym:countdown"):
        load_questions("countdown")
    with pytest.raises(UsageError, match="aime25 takes no settings"):
        load_questions("aime25", data=tmp_path, settings={"year": "2024"})
    with pytest.raises(UsageError, match="no file or folder"):
        load_questions("aime25", data=tmp_path / "nothing")
    with pytest.raises(UsageError, match="holds no data files"):
        load_questions("aime25", data=tmp_path)


def test_the_names_are_those_of_the_table_first() -> None:
    assert benchmark_names()[: len(BENCHMARKS)] == [*BENCHMARKS]


def test_programs_have_no_worked_examples(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="humaneval asks for programs, for which there are no worked examples"):
        load_questions("humaneval", data=tmp_path, examples=1)
    with pytest.raises(UsageError, match=r"the number of worked examples cannot be negative \(-1\)"):
        load_questions("humaneval", examples=-1)
