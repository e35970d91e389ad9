from __future__ import annotations

from pathlib import Path

import pytest

from selfagg.html_report.cells import questions, state, tags
from selfagg.record.record import Record


@pytest.mark.parametrize(
    ("failed", "answer", "score", "letter"),
    [
        (True, None, None, "f"),
        (False, "4", 1.0, "r"),
        (False, "5", 0.0, "w"),
        (False, "5", 0.4, "p"),
        (False, None, 0.0, "n"),
        (False, None, None, "n"),
        (False, "5", None, "u"),
        (False, None, 1.0, "r"),
    ],
)
def test_state(failed: bool, answer: str | None, score: float | None, letter: str) -> None:
    assert state(failed=failed, answer=answer, score=score) == letter


@pytest.mark.parametrize(
    ("states", "same", "expected"),
    [
        (["rw", "ww"], [[0, 1], [0, 0]], {"died out"}),
        (["ww", "rw"], [[0, 0], [0, 1]], {"rescued", "disagreeing"}),
        (["ww", "wn"], [[0, 0], [0, None]], {"all wrong", "unanswered"}),
        (["rw", "rr"], [[0, 1], [0, 0]], {"all right"}),
        (["rf"], [[0, None]], {"failed"}),
        (["uu"], [[0, 1]], {"disagreeing"}),
        (["rr", "ww", "rr"], [[0, 0], [0, 0], [0, 0]], {"all right"}),
        ([], [], set()),
    ],
)
def test_tags(states: list[str], same: list[list[int | None]], expected: set[str]) -> None:
    assert set(tags(states, same, True)) == expected
    early = set(tags(states, same, False))
    assert early == expected & {"disagreeing", "unanswered", "failed"}


def test_where_an_answer_is_unscored_the_fate_of_right_answers_is_not_known() -> None:
    assert set(tags(["rw", "uw"], [[0, 1], [0, 1]], True, unscored=True)) == {"unscored", "disagreeing"}
    assert set(tags(["uw"], [[0, 0]], True, unscored=True)) == {"unscored"}


def test_a_question_all_of_whose_members_failed_is_not_wrong() -> None:
    assert set(tags(["ff", "ff"], [[None, None], [None, None]], True)) == {"failed"}


def test_a_question_holds_what_the_record_says(rsa: Path) -> None:
    with Record(rsa, read_only=True) as record:
        told = questions(record, {1: 6, 2: 6, 3: 6, 4: 6})
        assert [question["id"] for question in told] == [f"sum-{i}" for i in range(6)]
        for position, question in enumerate(told):
            assert question["done"]
            assert question["weights"] == record.weights(position)
            for (_, t, i), member in record.members(position).items():
                population = question["populations"][t - 1]
                assert population["parents"][i] == ",".join(map(str, member.parents))
                assert population["answers"][i] == member.answer
                assert (population["states"][i] == "r") == member.right
                assert (population["states"][i] == "f") == (member.error is not None)
        assert told[0]["lead"] is not None  # it has a formula
        assert told[1]["lead"] is None


def test_a_question_that_is_done_has_no_member_to_come(rsa: Path) -> None:
    with Record(rsa, read_only=True) as record:
        told = questions(record, {1: 7, 2: 6})
    assert len(told[0]["populations"][0]["states"]) == 6
    assert "m" not in told[0]["populations"][0]["states"]
    assert len(told[0]["populations"]) == 2
