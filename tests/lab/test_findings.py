"""The words must follow the numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

from examples.lab.arms import ARMS
from examples.lab.findings import margins, over_seeds, paragraph, tables, unable


def arm(single: float, rsa: float, vote: float = 0.1, bound: float = 0.2) -> dict[str, Any]:
    return {
        "accuracy": [single, rsa],
        "pass_at_n": [0.7, 0.6],
        "predicted": [single, rsa],
        "r": [0.1, 0.5, None, 0.9, 1.0],
        "vote": vote,
        "bound": bound,
        "goals": [single, 0.8],
        "reading": {"plain": 0.2, "right": [0.1, 0.5, 0.6, 0.7, 0.8], "taken": [0.6] * 5, "foreign": 0.1},
    }


def results(*seeds: Mapping[str, dict[str, Any]]) -> Sequence[Mapping[str, Any]]:
    rest = {one.name: arm(0.1, 0.1) for one in ARMS}
    return [{"setting": "claim", "seed": place, "arms": {**rest, **arms}} for place, arms in enumerate(seeds)]


def test_the_claim_holds_where_all_three_margins_are_clear() -> None:
    seeds = [{"aware": arm(0.1, 0.8 + noise), "standard": arm(0.3, 0.2)} for noise in (0.0, 0.01, 0.02)]
    said = paragraph(results(*seeds))
    assert "The paper's whole claim holds here" in said
    assert "not clearly above" not in said
    assert "3 of 3 seeds" in said


def test_the_claim_does_not_hold_where_a_single_shot_of_standard_rl_is_better() -> None:
    seeds = [{"aware": arm(0.1, 0.5 + noise), "standard": arm(0.9, 0.2)} for noise in (0.0, 0.01, 0.02)]
    said = paragraph(results(*seeds))
    assert "The paper's whole claim does not hold here" in said
    assert "It is not clearly above a single shot of standard RL" in said
    assert "It is above the base with RSA" in said


def test_a_margin_that_the_seeds_disagree_on_is_not_clear() -> None:
    noisy = results({"aware": arm(0.1, 0.9)}, {"aware": arm(0.1, 0.05)}, {"aware": arm(0.1, 0.2)})
    assert not any(part.holds for part in margins(noisy))
    assert margins(noisy)[0].wins == 2


def test_one_seed_is_said_to_be_one() -> None:
    one = paragraph(results({"aware": arm(0.1, 0.9)}))
    assert "one seed" in one
    assert over_seeds([0.3]).low is None


def test_whether_a_vote_is_better_is_said() -> None:
    better = paragraph(results({"aware": arm(0.1, 0.9)}))
    worse = paragraph(results({"aware": arm(0.1, 0.9), "base": arm(0.1, 0.2, vote=0.95)}))
    assert "is below aggregation-aware" in better
    assert "is not clearly below aggregation-aware" in worse


def test_whether_rsa_is_beyond_every_choice_is_said() -> None:
    beyond = paragraph(results({"aware": arm(0.1, 0.9)}))
    within = paragraph(results({"aware": arm(0.1, 0.9), "base": arm(0.1, 0.2, bound=0.95)}))
    assert "RSA is above it" in beyond
    assert "RSA is not clearly above it" in within


def test_whether_what_is_learnt_reaches_aggregations_is_said() -> None:
    away = {**arm(0.3, 0.2), "reading": {**arm(0, 0)["reading"], "plain": 0.4, "right": [0.1, 0.3, 0.4, 0.5, 0.6]}}
    there = {**arm(0.3, 0.2), "reading": {**arm(0, 0)["reading"], "plain": 0.1, "right": [0.4, 0.5, 0.6, 0.7, 0.8]}}
    assert "does not reach" in paragraph(results({"standard": away}))
    assert "does not reach" not in paragraph(results({"standard": there}))


def test_tables_have_a_line_for_each_arm_and_a_dash_for_what_never_occurred() -> None:
    text = tables(results({}, {}))
    assert all(text.count(f"| {one.label} |") == 3 for one in ARMS)
    assert "| - |" in text


def test_intervals_are_students() -> None:
    interval = over_seeds([1.0, 2.0, 3.0])
    assert interval.mean == 2.0
    assert interval.low is not None
    assert abs(interval.low - (2 - 4.302653 / 3**0.5)) < 1e-5


def test_a_seed_without_a_base_is_named() -> None:
    said = unable({"seed": 5, "base": {"lessons": 4500, "reads": 0.7, "walks": 0.4}, "arms": {}})
    assert said.startswith("Seed 5: the base did not learn enough in 4,500 lessons (reads 70%, walks 40% right)")
