"""Rules decide from answers alone; a decided vote is the whole vote."""

import itertools
import random
from collections import Counter
from typing import Any

import pytest

from selfagg.errors import UsageError
from selfagg.run.stopping import Lead, Rule, Share, is_copied, next_wave, rule_named

Answers = tuple[str | None, ...]


def sizes(answers: Answers) -> list[int]:
    """Sizes of the groups, in the order of their first members."""
    return list(Counter(answer for answer in answers if answer is not None).values())


def told(rule: Rule, size: int, answers: Answers) -> bool | None:
    return rule.decided(size, sizes(answers), size - len(answers))


def elected(answers: Answers) -> str | None:
    counts = Counter(answer for answer in answers if answer is not None)
    return max(counts, key=lambda answer: counts[answer]) if counts else None


def asked(rule: Rule, answers: Answers) -> Answers:
    """The first answers, in waves, until the rule ends the vote."""
    size, there = len(answers), 0
    while not told(rule, size, answers[:there]):
        groups = sizes(answers[:there])
        there += next_wave(rule, size, groups, size - there)
    return answers[:there]


@pytest.mark.parametrize("n", range(1, 9))
def test_a_decided_vote_is_the_whole_vote(n: int) -> None:
    options = ("a", "b", "c", None) if n <= 6 else ("a", "b", "c")
    for answers in itertools.product(options, repeat=n):
        assert elected(asked(Lead(), answers)) == elected(answers)


def test_a_decided_vote_is_the_whole_vote_for_large_ballots() -> None:
    chance = random.Random(1)
    for _ in range(400):
        n = chance.randint(9, 40)
        answers = tuple(chance.choices(("a", "b", "c", "d", None), [chance.random() for _ in range(5)], k=n))
        assert elected(asked(Lead(), answers)) == elected(answers)


@pytest.mark.parametrize("rule", [Lead(), Lead(0.95)])
def test_waves_ask_for_no_more_than_one_at_a_time(rule: Rule) -> None:
    for answers in itertools.product(("a", "b", None), repeat=7):
        alone = next(there for there in range(8) if told(rule, 7, answers[:there]))
        assert len(asked(rule, answers)) == alone


@pytest.mark.parametrize("n", [1, 4, 5])
def test_a_decided_vote_is_not_decided_too_late(n: int) -> None:
    for there in range(1, n + 1):
        for answers in itertools.product("abc", repeat=there):
            futures = {elected(answers + rest) for rest in itertools.product("abcd", repeat=n - there)}
            assert (len(futures) == 1) == (told(Lead(), n, answers) is True)


@pytest.mark.parametrize("share", [0.6, 0.75, 0.875, 1.0])
def test_a_population_is_told_as_soon_as_it_is_certain(share: float) -> None:
    n, rule = 5, Share(share)
    for there in range(n + 1):
        for answers in itertools.product(("a", "b", None), repeat=there):
            futures = {
                max(Counter(a for a in (*answers, *rest) if a).values(), default=0) >= share * n
                for rest in itertools.product(("a", "b", None), repeat=n - there)
            }
            expected = futures.pop() if len(futures) == 1 else None
            assert told(rule, n, answers) is expected


@pytest.mark.parametrize(
    ("name", "size", "enough"),
    [("share:0.875", 16, 14), ("share:0.875", 8, 7), ("share:0.75", 8, 6), ("unanimous", 8, 8), ("share:0.7", 10, 7)],
)
def test_shares_of_a_population(name: str, size: int, enough: int) -> None:
    rule = rule_named(name)
    assert rule
    assert rule.decided(size, [enough], 0) is True
    assert rule.decided(size, [enough - 1, 1], 0) is False


def test_adaptive_consistency_ends_after_four_equal_answers() -> None:
    # P(p > 1/2) after 4 votes of 4 is 1 - 1/32, after 3 of 3 it is 1 - 1/16.
    rule = rule_named("asc:0.95")
    assert rule
    assert rule.decided(40, [3], 37) is None
    assert rule.decided(40, [4], 36) is True
    assert next_wave(rule, 40, [], 40) == 4


def test_never_is_no_rule() -> None:
    assert rule_named("never") is None


@pytest.mark.parametrize(
    "name", ["share:0.5", "share:1.1", "share:nan", "asc:1", "asc:0.5", "share:", "", "Never", "share:1e0"]
)
def test_rules_that_do_not_exist_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"there is no rule .* for stop"):
        rule_named(name)


@pytest.mark.parametrize(
    ("answers", "copied"),
    [
        ("aaaa", True),
        ("aa", True),
        ("aab", False),
        ("a", False),
        ("", False),
        ((None, None), False),
        (("a", None), False),
    ],
)
def test_sets_that_are_copied(answers: Answers, copied: bool) -> None:
    assert is_copied(answers) is copied


@pytest.mark.parametrize("given", [None, 0.875, True])
def test_a_rule_that_is_no_text(given: Any) -> None:
    with pytest.raises(UsageError, match=r"stop is .*, but it is a text: never, unanimous, share:X"):
        rule_named(given)


def test_a_share_of_many_digits() -> None:
    assert rule_named("share:0.66666666666667") == Share(0.66666666666667)
