"""The answer of a whole reply, its score, and votes: groups of equal answers, the largest, then the earliest first."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.scoring import Verdict, incomparable, majority, score_reply, scorer_for, stated_answer
from selfagg.scoring.base import first_equal
from selfagg.scoring.given import scorer_given
from selfagg.types import KINDS, Kind, Member, Question, Reply, Stop

QUESTION = Question("q", "?")


def members(*answers: str | None) -> list[Member]:
    return [Member(1, i, answer=answer) for i, answer in enumerate(answers)]


async def places(*answers: str | None) -> list[list[int]]:
    groups = await majority(scorer_for("text"), QUESTION, members(*answers))
    return [[member.i for member in group] for group in groups]


@pytest.mark.parametrize(
    ("answers", "groups"),
    [
        (("a", "b", "b"), [[1, 2], [0]]),
        (("a", "b"), [[0], [1]]),
        (("b", "a", "a", "b"), [[0, 3], [1, 2]]),
        ((None, "a", None), [[1]]),
        ((None, None), []),
        ((), []),
    ],
)
async def test_groups(answers: tuple[str | None, ...], groups: list[list[int]]) -> None:
    assert await places(*answers) == groups


async def test_of_the_largest_groups_the_one_with_the_earliest_member_is_first() -> None:
    groups = await majority(scorer_for("text"), QUESTION, members("c", "b", "a", "A", "B"))
    assert groups[0][0].i == 1


async def test_math_votes_by_equality_and_puzzles_do_not() -> None:
    for kind, sizes in (("math", [2]), ("reasoning_gym", [1, 1])):
        groups = await majority(scorer_for(kind), Question("q", "?", kind=kind), members("1/2", "0.5"))  # type: ignore[arg-type]
        assert [len(group) for group in groups] == sizes


@given(st.lists(st.none() | st.sampled_from("abcd"), max_size=12))
async def test_groups_partition_the_voters(answers: list[str | None]) -> None:
    groups = await places(*answers)
    assert sorted(i for group in groups for i in group) == [i for i, answer in enumerate(answers) if answer]
    assert [(-len(group), group[0]) for group in groups] == sorted((-len(group), group[0]) for group in groups)
    votes = Counter(answer for answer in answers if answer)
    assert [len(group) for group in groups] == sorted(votes.values(), reverse=True)


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_one_scorer_for_each_kind(kind: Kind) -> None:
    assert scorer_for(kind) is scorer_for(kind)
    assert type(scorer_for(kind)).__name__ == f"{kind.title().replace('_', '')}Scorer"


@given(st.lists(st.sampled_from("abc")))
def test_the_first_equal_is_the_first(keys: list[str]) -> None:
    assert first_equal(keys) == [keys.index(key) for key in keys]


CUT = [
    ("text", "It is <answer>Rome</answer>. But", "Rome"),
    ("text", "It is Rome. But", None),
    ("reasoning_gym", "<answer>1</answer> or", "1"),
    ("math", r"\boxed{5} or", "5"),
    ("math", r"\boxed{5} or \boxed{6", None),
    ("choice", r"\boxed{B} or", "B"),
    ("choice", "<answer>B</answer> or", "B"),
    ("choice", "The answer is B", None),
    ("code", "```python\nx = 1\n```\nor\n```python\nx", "x = 1"),
    ("code", "```python\nx = 1", None),
]


@pytest.mark.parametrize(("kind", "text", "answer"), CUT)
@pytest.mark.parametrize("stop", [Stop.LENGTH, Stop.FILTERED])
def test_a_cut_reply_states_what_it_had_finished(kind: Kind, text: str, answer: str | None, stop: Stop) -> None:
    assert stated_answer(Question("q", "?", kind), Reply(text, stop=stop)) == answer


@pytest.mark.parametrize("stop", [Stop.FINISHED, Stop.UNKNOWN])
def test_a_reply_that_may_be_whole_is_read_whole(stop: Stop) -> None:
    assert stated_answer(Question("q", "?", "text"), Reply("It is Rome.", stop=stop)) == "It is Rome."


@pytest.mark.parametrize(
    ("text", "stop", "verdict"),
    [
        ("<answer>Rome</answer>", Stop.FINISHED, Verdict("Rome", 1.0)),
        ("<answer>Paris</answer>", Stop.FINISHED, Verdict("Paris", 0.0)),
        ("Rome", Stop.LENGTH, Verdict(None, 0.0)),
        ("", Stop.FINISHED, Verdict(None, 0.0)),
    ],
)
async def test_a_reply_scores_what_it_states(text: str, stop: Stop, verdict: Verdict) -> None:
    assert await score_reply(Question("q", "?", "text", gold="Rome"), Reply(text, stop=stop)) == verdict


async def test_a_scorer_of_ones_own_sees_the_whole_reply() -> None:
    scorer = scorer_given(lambda question, text: len(text) / 10)
    for stop, answer in ((Stop.FINISHED, "Rome"), (Stop.LENGTH, None)):
        verdict = await score_reply(Question("q", "?", "text", gold="Rome"), Reply("Rome", stop=stop), scorer)
        assert verdict == Verdict(answer, 0.4)


@pytest.mark.parametrize(
    ("question", "why"),
    [
        (Question("q", "?", "code", gold="x"), "programs"),
        (Question("q", "?", "text"), "free text"),
        (Question("q", "?", "text", gold="x"), ""),
        (Question("q", "In <answer> tags.", "text"), ""),
        (Question("q", "?", "text", instruction="In <answer> tags."), ""),
        (Question("q", "?", "text", context=({"role": "system", "content": "In <answer> tags."},)), ""),
        (Question("q", "?", "math"), ""),
    ],
)
def test_answers_that_no_vote_can_compare(question: Question, why: str) -> None:
    assert incomparable(question).startswith(why)
    assert bool(incomparable(question)) == bool(why)
