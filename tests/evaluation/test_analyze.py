"""`analyze`: everything that a record tells, and what the command prints of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import selfagg
from selfagg.methods import Majority

Printed = Callable[..., dict[str, Any]]


def as_printed(found: dict[str, Any], folder: Path) -> dict[str, Any]:
    there: dict[str, Any] = json.loads(json.dumps(found).replace(f"{folder}/", ""))
    return there


def test_results_are_what_the_commands_print(folder: Path, printed: Printed) -> None:
    rsa = folder / "rsa-.sqlite"
    assert as_printed(selfagg.analyze(rsa).to_dict(), folder) == printed("analyze", rsa.name)
    replay, by_command = selfagg.replay(rsa, t=2).to_dict(), printed("replay", rsa.name, "-t", "2")
    replay["replayed"]["seconds"] = by_command["replayed"]["seconds"] = 0
    assert replay == by_command
    compared = printed("compare", "majority-.sqlite", "rsa-.sqlite")
    del compared["where"]
    assert as_printed(selfagg.compare([folder / "majority-.sqlite", rsa]).to_dict(), folder) == compared


def test_the_fates_are_those_of_the_questions_members(two_records: Path) -> None:
    found = selfagg.analyze(two_records / "rsa-.sqlite")
    fates: dict[str, list[str]] = {name: [] for name in ("died_out", "rescued", "never_right")}
    for one in found.evaluation.questions:
        right = [any(member.right for member in population.values()) for population in one.populations]
        if not any(right):
            fates["never_right"].append(one.question.id)
        elif not all(right):
            fates["rescued" if right[-1] else "died_out"].append(one.question.id)
    assert found.fates == {**fates, "no_reply": [], "unscored": []}


def test_a_question_without_a_reply_has_no_other_fate(tmp_path: Path) -> None:
    questions = [selfagg.Question("q", "What is 1 + 1?", kind="math", gold="2")]
    path = tmp_path / "run.sqlite"
    selfagg.evaluate(questions, model="simulated:fail=1", method=Majority(n=2), record=path)
    assert selfagg.analyze(path).fates == {
        "died_out": [], "rescued": [], "never_right": [], "no_reply": ["q"], "unscored": [],
    }  # fmt: skip


def test_groups_are_told_where_there_are_several(tmp_path: Path) -> None:
    asked = [selfagg.Question(f"q{i}", "?", kind="math", gold="2", group="ab"[i % 2]) for i in range(4)]
    path = tmp_path / "run.sqlite"
    selfagg.evaluate(asked, model="simulated:", method=Majority(n=2), record=path)
    told = selfagg.analyze(path).to_dict()
    assert [(group["group"], group["questions"]) for group in told["groups"]] == [("a", 2), ("b", 2)]
    assert told["transitions"] == told["r_c"] == told["ancestry"] == []
    assert told["trajectory"] is None


def test_a_record_of_which_nothing_is_done_cannot_be_analyzed(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    asked = [selfagg.Question("q", "?", kind="math", gold="2")]
    selfagg.evaluate(asked, model="simulated:", method=Majority(n=2), record=path, shard=(1, 2))
    with selfagg.record.record.Record(path) as record:
        record.query("UPDATE questions SET weights = NULL")
    with pytest.raises(selfagg.UsageError, match="holds no question that is done"):
        selfagg.analyze(path)
