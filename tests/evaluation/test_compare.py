"""`compare` and `estimate_costs`: what they run, keep, tell, and what the commands print."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import selfagg
from selfagg.record.record import Record, Store
from selfagg.types import Member

QUESTIONS = [selfagg.Question(f"q{i}", f"What is {i} + {i}?", kind="math", gold=str(2 * i)) for i in range(5)]
Printed = Callable[..., dict[str, Any]]
MODEL = "simulated:p=0.4"
SIZES = {"n": 4, "k": 2, "t": 3}


class Told(selfagg.Callback):
    """What a callback hears, in order."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.fresh = 0

    def started(self, record: Store) -> None:
        assert isinstance(record, Record)
        self.heard.append(f"started {record.configuration['method']['name']} {record.configuration['seed']}")

    def generated(self, question: int, member: Member, role: str, *, fresh: bool) -> None:
        self.fresh += fresh

    def ended(self) -> None:
        self.heard.append("ended")


def test_methods_are_run_at_one_budget_and_share_their_first_samples(tmp_path: Path) -> None:
    told = Told()
    methods: list[Any] = ["rsa", "majority", selfagg.RSA(n=3, k=1, t=2)]
    found = selfagg.compare(QUESTIONS, methods, sizes=SIZES, seeds=2, model=MODEL, out=tmp_path / "out", callback=told)
    assert [entry.label for entry in found.entries] == ["rsa n=4 k=2 t=3", "majority n=12 t=1", "rsa n=3 k=1 t=2"]
    assert [entry.cost.calls for entry in found.entries] == [12, 12, 6]
    assert told.heard[1::2] == ["ended"] * 6
    assert told.heard[::2] == [f"started {name} {seed}" for seed in (1234, 1235) for name in ("majority", "rsa", "rsa")]
    assert told.fresh == 2 * 5 * (12 + 8 + 3)
    assert sorted(tmp_path.glob("out/*.sqlite")) == sorted(path for path in found.records if path)
    again = selfagg.compare(QUESTIONS, methods, sizes=SIZES, seeds=2, model=MODEL, out=tmp_path / "out", callback=told)
    assert told.fresh == 2 * 5 * (12 + 8 + 3)
    assert again.to_dict() == found.to_dict()
    by_records = selfagg.compare(tmp_path / "out", reference="majority")
    assert by_records.to_dict()["reference"] == "majority n=12 t=1"


def test_without_a_folder_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = selfagg.compare(QUESTIONS, ["rsa", "single"], sizes=SIZES, model=MODEL, match="none")
    assert found.records == [None, None]
    assert list(tmp_path.iterdir()) == []


def test_they_are_what_the_commands_print(tmp_path: Path, printed: Printed) -> None:
    rows = [{"id": q.id, "question": q.text, "answer": q.gold, "kind": q.kind} for q in QUESTIONS]
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    small = ["-n", "4", "-k", "2", "-t", "3", "-m", MODEL, "--methods", "rsa,majority"]
    by_command = printed("compare", path.name, *small, "--out", "c")
    found = selfagg.compare(path, ["rsa", "majority"], sizes=SIZES, model=MODEL).to_dict()
    more = {"records": by_command["records"], "where": "c", "match": "calls"}
    assert {**found, **more} == by_command
    dry = printed("compare", path.name, *small, "--dry-run", "--expect-tokens", "300")
    costs = selfagg.estimate_costs(path, ["rsa", "majority"], sizes=SIZES, match="calls", reply_tokens=300)
    assert costs.to_dict() == dry


def test_results_as_tables() -> None:
    pandas = pytest.importorskip("pandas")
    compared = selfagg.compare(QUESTIONS, ["rsa", "single"], sizes=SIZES, model=MODEL).to_pandas()
    assert isinstance(compared, pandas.DataFrame)
    assert list(compared["label"]) == ["rsa n=4 k=2 t=3", "single n=4 t=1"]


async def test_in_a_running_loop() -> None:
    assert len((await selfagg.acompare(QUESTIONS, ["rsa"], sizes=SIZES, model=MODEL)).entries) == 1


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"match": "time"}, "match is 'time'"),
        ({"seeds": 0}, "seeds is 0"),
        ({"seeds": 1.5}, "seeds is 1.5"),
        ({"reference": "one-step"}, "'one-step' is not one of the methods"),
        ({"methods": ["majorty"]}, "did you mean majority"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"schedule": "fast"}, "schedule is 'fast'"),
        ({"candidate": "all"}, "candidate"),
    ],
)
def test_what_cannot_be_compared(given: dict[str, object], complaint: str) -> None:
    with pytest.raises(selfagg.UsageError, match=complaint):
        selfagg.compare(QUESTIONS, **{"model": MODEL, **given})  # type: ignore[arg-type]


def test_records_take_no_settings_of_runs(tmp_path: Path) -> None:
    selfagg.evaluate(QUESTIONS, model=MODEL, n=2, k=1, t=2, record=tmp_path / "a.sqlite")
    with pytest.raises(selfagg.UsageError, match="these are records: seeds"):
        selfagg.compare(tmp_path / "a.sqlite", seeds=2)
    with pytest.raises(selfagg.UsageError, match="no record: other"):
        selfagg.compare([str(tmp_path / "a.sqlite"), "other"])
