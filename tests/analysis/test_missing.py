"""What a run lacks, counted by hand: left out or counted as the sentences say, and never taken for something else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.analysis.aggregation import aggregations, transitions
from selfagg.analysis.comparison import comparison
from selfagg.analysis.costs import costs_by_population, costs_by_question
from selfagg.analysis.member_outcomes import answered
from selfagg.analysis.missing import Missing, usage_json
from selfagg.analysis.statistics import mean_interval
from selfagg.analysis.summary import summarise
from selfagg.analysis.trajectory import trajectory
from selfagg.record.record import Record
from selfagg.types import Usage

Write = Callable[..., Record]
MISSINGS = st.builds(Missing, **{f.name: st.integers(0, 9) for f in fields(Missing) if f.name != "why"}, why=st.text())


def test_each_kind_is_counted(write: Write) -> None:
    record = write([["R?~!", "Ra!!"], ["R~aa", "R???"]])
    assert Missing.of(record) == Missing(16, 3, 4, "the check ran out of time", 13, 2)
    assert not Missing.of(record).complete
    assert Missing.of(write([["Ra~-", "Ra5/"]])).complete


def test_members_of_questions_that_are_not_done_are_not_counted_yet(write: Write) -> None:
    found = Missing.of(write([["R!", "R?"], ["!!", "~!"]], weights=[[0.5, 0.5], None]))
    assert (found.members, found.failed, found.unscored) == (4, 1, 1)
    assert (found.replies, found.without_usage) == (4, 1)


def test_what_has_no_gold_answer_is_not_unscored(write: Write) -> None:
    assert Missing.of(write([["ab", "ab"]], gold=False)).complete


def test_what_is_unscored_is_left_out_and_what_failed_is_wrong(write: Write) -> None:
    summary = summarise(write([["R?!a"], ["RRRa"], ["????"]]))
    (population,) = summary.populations
    assert population.accuracy == mean_interval([[1, 0, 0], [1, 1, 1, 0]])
    assert population.accuracy_replied == mean_interval([[1, 0], [1, 1, 1, 0]])
    assert population.partial_credit == pytest.approx((1 / 3 + 3 / 4) / 2)
    assert population.pass_at_n == mean_interval([[1]])  # of the one question whose members are all scored
    assert population.majority == mean_interval([[1], [1]])
    assert (population.failed, population.unscored, population.right_counts) == (1, 5, [[3]])
    assert summary.answer_accuracy == mean_interval([[1 / 3] * 3, [3 / 4] * 4])
    assert summary.answer_replied == mean_interval([[1 / 2] * 2, [3 / 4] * 4])
    assert (summary.questions, summary.missing.unscored) == (3, 5)


def test_an_answer_that_is_scored_elsewhere_in_its_group_decides_a_vote(write: Write) -> None:
    record = write([["?R"]])
    with record.transaction() as database:
        database.execute("UPDATE scores SET same = 0")  # both answers are equal
    (population,) = summarise(record).populations
    assert population.majority is not None
    assert population.majority.mean == 1.0


def test_a_vote_for_an_unscored_answer_is_neither_right_nor_wrong(write: Write) -> None:
    summary = summarise(write([["?ab"], ["Rab"]], weights=[[1, 0, 0], [1, 0, 0]]))
    assert summary.populations[0].majority == mean_interval([[1]])
    assert summary.answer_accuracy == mean_interval([[1]])


def test_a_run_of_which_nothing_could_be_scored_has_no_accuracy(write: Write) -> None:
    summary = summarise(write([["??", "??"]]))
    assert summary.answer_accuracy is None
    assert [population.accuracy for population in summary.populations] == [None, None]
    told = json.loads(json.dumps(summary.as_json()))
    assert (told["answer_accuracy"], told["missing"]["unscored"]) == (None, 4)


def test_aggregating_is_judged_where_every_member_is_scored(write: Write) -> None:
    record = write([["Ra", "RR"], ["R?", "RR"], ["Ra", "?a"], ["!!", "!!"]])
    counts = aggregations(record)
    assert counts is not None
    assert counts.right.tolist() == [[1, 2], [0, 0]]
    assert transitions(record)[0].gained_count == 0
    assert trajectory(record) is not None
    assert [question.whole for question in answered(record)] == [True, False, False, True]


def test_tokens_that_nobody_told_are_in_no_sum_and_no_mean(write: Write) -> None:
    record = write([["R~", "RR"], ["~~", "~~"]])
    summary = summarise(record)
    assert summary.usage == Usage(100 + 400, 10 + 40, 10 + 20 + 21, 3, unknown=5)
    assert summary.populations[0].mean_tokens == 10
    assert summary.populations[1].mean_tokens == 20.5
    costs = costs_by_question(record)
    assert (costs[0].tokens, costs[0].without_usage) == (551, 1)
    assert (costs[1].tokens, costs[1].as_json()["prompt"], costs[1].without_usage) == (None, None, 4)
    assert [cost.without_usage for cost in costs_by_population(record)] == [1.5, 2.5]


@pytest.mark.parametrize("earlier", [False, True])
def test_where_no_tokens_are_told_none_are_claimed(write: Write, earlier: bool) -> None:
    record = write([["~~", "~~"], ["~~", "~~"]])
    if earlier:  # a version that did not tell unknown from 0
        with record.transaction() as database:
            columns = ", ".join(f"{kind}_tokens = 0" for kind in ("prompt", "cached", "completion", "reasoning"))
            database.execute(f"UPDATE generations SET {columns}")
    summary = summarise(record)
    assert [population.mean_tokens for population in summary.populations] == [None, None]
    assert summary.as_json()["usage"] == dict.fromkeys(("prompt", "cached", "completion", "reasoning")) | {"unknown": 8}
    course = trajectory(record)
    assert course is not None
    assert {step.tokens for step in course.steps} == {None}


def test_a_comparison_counts_what_each_method_lacks(write: Write) -> None:
    one = write([["R!"], ["RR"], ["??"]], method={"name": "majority", "n": 2, "t": 1})
    other = write([["R~"], ["?a"], ["RR"]], method={"name": "single", "n": 2, "t": 1})
    found = comparison([one, other])
    assert (found.questions, found.questions_total) == (2, 3)
    first, second = found.entries
    assert (first.accuracy, first.replied) == (mean_interval([[0.5] * 2, [1] * 2]), mean_interval([[1], [1] * 2]))
    assert (first.missing.failed, first.missing.unscored) == (1, 2)
    assert (second.missing.without_usage, second.missing.unscored) == (1, 1)
    assert second.as_json()["missing"]["without_usage"] == 1


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (Missing(8), ""),
        (Missing(1200, failed=1000), "1,000 of 1,200 members have no reply"),
        (Missing(8, unscored=2, why="it\x1b[2J ran\nout"), "2 of 8 members could not be scored (it[2J ran out)"),
        (Missing(8, 1, 2), "1 of 8 members has no reply; 2 of 8 members could not be scored"),
    ],
)
def test_the_sentence(missing: Missing, said: str) -> None:
    assert missing.sentence() == said
    assert missing.complete is (said == "")


@pytest.mark.parametrize(
    ("replies", "untold", "prompt", "said"),
    [
        (8, 0, 0, "0 prompt (0 cached), 0 completion"),
        (0, 0, 0, "0 prompt (0 cached), 0 completion"),
        (8, 8, None, "not told by the server"),
        (8, 3, 0, "0 prompt (0 cached), 0 completion; not told by the server for 3 of 8 replies, which no sum holds"),
    ],
)
def test_tokens_in_words(replies: int, untold: int, prompt: int | None, said: str) -> None:
    usage = usage_json(Usage(unknown=untold), replies)
    assert (usage["prompt"], usage["unknown"]) == (prompt, untold)
    assert Missing(replies=replies, without_usage=untold).tokens_words(usage) == said


def test_further_lines_are_told_where_there_is_something_to_tell() -> None:
    assert Missing(8, replies=8).lines() == []
    assert dict(Missing(8, 1, replies=7, without_usage=7).lines()) == {
        "failed": "1 of 8 members has no reply: counted as wrong",
        "tokens": "not told by the server",
    }
    assert [word for word, _ in Missing(8, 0, 1, "", 8, 0, 2, 3, 4).lines()] == [
        "unscored", "no text", "filtered", "stop",
    ]  # fmt: skip


@given(st.lists(MISSINGS))
def test_several_runs_add_up(parts: list[Missing]) -> None:
    found = sum(parts, Missing())
    assert found.complete is all(part.complete for part in parts)
    for field in fields(Missing):
        if field.name != "why":
            assert getattr(found, field.name) == sum(getattr(part, field.name) for part in parts)
    assert Missing.read(json.loads(json.dumps(found.as_json()))) == found
