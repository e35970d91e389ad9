"""What every method tells of itself, and what none can be set to."""

from __future__ import annotations

from typing import Any

import pytest

from selfagg.errors import UsageError
from selfagg.methods import METHODS, RSA, Majority, Single, is_uniform, method_named
from selfagg.run.stopping import Lead, Share


def test_what_a_method_tells_of_itself() -> None:
    told = {name: (method().n, method().t, method().uniform, method().grows) for name, method in METHODS.items()}
    assert told == {
        "rsa": (16, 10, True, "t"),
        "single": (1, 1, True, "n"),
        "majority": (16, 1, False, "n"),
        "self-refine": (16, 10, True, "t"),
        "one-step": (16, 2, True, "n"),
        "rejection": (16, 1, False, "n"),
        "best-of-n": (16, 1, False, "n"),
        "mixture-of-agents": (6, 3, True, "t"),
    }
    assert (RSA().parents, Single().parents) == (4, 1)
    assert {name for name, method in METHODS.items() if method.own_sizes} == {"mixture-of-agents"}
    assert {name for name, method in METHODS.items() if method.judgements} == {"rejection", "best-of-n"}
    assert is_uniform("rsa")
    assert not is_uniform("majority")
    assert not is_uniform("somebody's own")


@pytest.mark.parametrize("name", sorted(METHODS))
def test_no_method_takes_an_empty_population(name: str) -> None:
    with pytest.raises(UsageError, match="n = 0"):
        method_named(name, n=0)
    with pytest.raises(UsageError, match="t = 0"):
        method_named(name, t=0)


@pytest.mark.parametrize(("name", "t"), [("single", 2), ("majority", 3), ("one-step", 3), ("rejection", 2)])
def test_methods_without_recursion_refuse_more_populations(name: str, t: int) -> None:
    with pytest.raises(UsageError, match=f"t = {t}"):
        method_named(name, t=t)


@pytest.mark.parametrize(
    ("method", "rule", "vote_rule"),
    [
        (RSA(), None, None),
        (RSA(stop="unanimous"), Share(1.0), None),
        (RSA(stop="share:0.75"), Share(0.75), None),
        (Majority(), None, None),
        (Majority(stop="decided"), None, Lead()),
        (Majority(stop="asc:0.95"), None, Lead(0.95)),
        (Single(), None, None),
    ],
)
def test_a_rule_is_one_for_populations_or_one_for_votes(method: Any, rule: Any, vote_rule: Any) -> None:
    assert (method.rule, method.vote_rule, method.compares) == (rule, vote_rule, bool(rule or vote_rule))


@pytest.mark.parametrize(
    ("name", "stop", "said"),
    [
        ("rsa", "decided", "rsa: stop 'decided' is a rule for votes; here there are never, unanimous"),
        ("rsa", "asc:0.9", "rsa: stop 'asc:0.9' is a rule for votes"),
        (
            "majority",
            "unanimous",
            "majority: stop 'unanimous' is a rule for populations; here there are never",
        ),
        ("majority", "share:0.9", "majority: stop 'share:0.9' is a rule for populations"),
    ],
)
def test_a_rule_of_the_other_kind_is_refused(name: str, stop: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        method_named(name, stop=stop)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, {}),
        ({"stop": "never", "copy": False}, {}),
        ({"stop": "unanimous"}, {"stop": "unanimous"}),
        ({"copy": True, "answer": "majority"}, {"copy": True, "answer": "majority"}),
    ],
)
def test_a_record_names_what_adapts_only_where_it_is_set(settings: dict[str, Any], told: dict[str, Any]) -> None:
    sizes = {"name": "rsa", "n": 16, "t": 10, "k": 4, "order": "random"}
    assert RSA(**settings).settings() == sizes | told
