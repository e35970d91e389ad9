"""Which methods are compared, with which sizes, at which budget."""

from __future__ import annotations

import pytest

from selfagg.errors import UsageError
from selfagg.evaluation.contenders import Lengths, contenders, matched
from selfagg.methods import RSA, Majority


def test_sizes_are_given_to_the_methods_that_have_them() -> None:
    sizes = {"n": 8, "k": 2, "t": 5, "order": "prefix"}
    found = contenders(["majority", " rsa", "one-step", "mixture-of-agents:n=3"], sizes)
    assert [dict(one.method.settings()) for one in found] == [
        {"name": "rsa", "n": 8, "t": 5, "k": 2, "order": "prefix"},
        {"name": "majority", "n": 8, "t": 1},
        {"name": "one-step", "n": 8, "t": 2, "k": 2, "order": "prefix"},
        {"name": "mixture-of-agents", "n": 3, "t": 3},
    ]


def test_a_rule_that_is_spelled_out_has_a_colon_of_its_own() -> None:
    found = contenders(["rsa:stop=share:0.75:copy=true:n=8", "majority:stop=asc:0.9"])
    assert [one.method for one in found] == [RSA(n=8, stop="share:0.75", copy=True), Majority(stop="asc:0.9")]


def test_what_the_user_sizes_and_single_samples_are_not_matched() -> None:
    found = contenders(["rsa", "majority", "majority:n=7", "single", "self-refine"], preset="paper")
    assert [method.calls for method in matched(found, "calls")] == [160, 160, 7, 16, 160]
    tokens = matched(found, "tokens", 160_000.0, Lengths(100, 900))
    assert [getattr(method, method.grows) for method in tokens] == [10, 160, 7, 16, 5]
    assert [method.calls for method in matched(found, "none")] == [160, 160, 7, 16, 160]


def test_a_method_that_is_given_keeps_its_size() -> None:
    found = contenders([RSA(n=4, k=2, t=3), Majority(n=5), "majority"])
    assert [method.n for method in matched(found, "calls")] == [4, 5, 12]


def test_matching_that_makes_two_methods_the_same() -> None:
    found = contenders(["rsa", "majority", "majority:n=160"], {"n": 16, "k": 4, "t": 10})
    with pytest.raises(UsageError, match="matching calls makes two"):
        matched(found, "calls")


@pytest.mark.parametrize(
    ("methods", "complaint"),
    [
        ([], "no method to compare"),
        (["rsa", "rsa"], "rsa twice"),
        (["rsa:n=four"], "n = 'four' is no whole number"),
        (["rsa:n"], "KEY=VALUE"),
        (["rsa:n=1:n=2"], "n is given twice"),
        (["majority:k=3"], "no setting k"),
        (["majorty"], "did you mean majority"),
    ],
)
def test_what_cannot_be_compared(methods: list[str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        contenders(methods)
