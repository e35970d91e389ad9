"""The cards of sets and of models, from the facts and the metrics."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from selfagg.methods import Majority
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.record import Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.training.cards import STEPS_SHOWN, accuracy, data_card, described_pool, model_card
from selfagg.training.recipe import Recipe
from selfagg.types import Question


def facts(**changes: Any) -> dict[str, Any]:
    plain = {
        "made": "2026-01-02T03:04:05Z",
        "settings": {"model": "m", "training_set": {"k": 2, "pool": None}},
        "rows": {"plain": 1200, "aggregation": 300, "test": 0},
        "by_c": {"0": 30, "1": 0, "2": 270},
        "draws": {"made": 0, "left_over": 0},
        "shortened": {"prompts": 3, "candidates": 0},
        "prompt_tokens": {"plain": {"mean": 12.3456, "max": 99}},
        "candidates": {"simulated": False},
    }
    return plain | changes


def test_the_card_of_a_set_has_its_numbers() -> None:
    card = data_card(facts())
    assert "1,500 training prompts: 1,200 plain, 300 with 2 candidates. 0 test prompts" in card
    assert "| 0 | 30 | 10.0% |\n| 1 | 0 | 0.0% |\n| 2 | 270 | 90.0% |" in card
    assert "- shortened\n  - prompts: 3\n- prompt_tokens\n  - plain\n    - mean: 12.35\n    - max: 99\n" in card
    assert "made: 0" not in card  # what is 0 or empty is left out
    assert "pool: None" not in card
    assert card.endswith("-1: plain), `prompt_tokens`.\n")


@pytest.mark.parametrize(
    ("pool", "opening"),
    [
        ({"simulated": False}, "Made by `selfagg train data` after arXiv 2509.26626"),
        ({"simulated": True}, "The candidates are SIMULATED: no language model was asked."),
        (None, "Plain problems alone, for standard reinforcement learning; no model was asked."),
    ],
)
def test_the_card_of_a_set_says_who_wrote_the_candidates(pool: Any, opening: str) -> None:
    assert f"\n\n{opening}" in data_card(facts(candidates=pool))


def test_the_card_of_a_set_names_its_files_for_the_hub() -> None:
    head = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: train.parquet\n"
    assert data_card(facts()).startswith(f"{head}---\n")
    rows = {"plain": 1, "aggregation": 0, "test": 1}
    card = data_card(facts(rows=rows, by_c={}))
    assert card.startswith(f"{head}  - split: test\n    path: test.parquet\n---\n")
    assert "right among" not in card


def line(step: int, **groups: Any) -> dict[str, Any]:
    return {"step": step, **groups, "seconds": 1.0}


GROUP = {"n": 8, "unscored": 0, "reward": 0.25, "length": 10.6, "cut": 0.125, "entropy": None}
POPULATIONS: list[dict[str, Any]] = [
    {"t": 1, "accuracy": 0.5, "interval": [0.25, 0.75]},
    {"t": 2, "accuracy": None, "interval": None},
]


def test_the_card_of_a_model_has_settings_curves_and_evaluations() -> None:
    evaluation = {"n": 3, "k": 2, "t": 2, "questions": 40, "populations": POPULATIONS}
    lines = [
        {"step": 0, "evaluation": evaluation},
        line(1, plain=GROUP),
        line(2, plain=GROUP, aggregation={**GROUP, "reward": 1.0}),
    ]
    card = model_card({"model": "tiny", "algorithm": "grpo", "seed": 7}, lines)
    assert "# tiny, trained by selfagg\n\nGRPO, 2 steps, by `selfagg train rl`" in card
    assert "- model: tiny\n- algorithm: grpo\n- seed: 7\n- selfagg: " in card
    assert "| step | reward | length | cut | entropy |" in card
    assert "| 1 | 0.250 / - | 11 / - | 0.12 / - | - / - |" in card
    assert "| 2 | 0.250 / 1.000 | 11 / 11 | 0.12 / 0.12 | - / - |" in card
    assert "N = 3, K = 2, T = 2, 40 problems" in card
    assert "| step | population 1 | population 2 |" in card
    assert "| 0 | 50.0% (25.0% to 75.0%) | - |" in card
    assert "held-out" not in model_card({"algorithm": "rloo"}, [])


def test_long_curves_are_shown_from_the_first_step_to_the_last() -> None:
    shown = [
        int(row.split(" | ")[0][2:])
        for row in model_card({"algorithm": "rloo"}, [line(step) for step in range(1, 101)]).splitlines()
        if row.startswith("| ") and row[2].isdigit()
    ]
    assert (shown[0], shown[-1], len(shown)) == (1, 100, STEPS_SHOWN)
    assert {later - earlier for earlier, later in itertools.pairwise(shown)} == {9}
    for steps in (STEPS_SHOWN, STEPS_SHOWN + 1):
        card = model_card({"algorithm": "rloo"}, [line(step) for step in range(1, steps + 1)])
        assert card.count(" - / - | - / - | - / - | - / - |") == STEPS_SHOWN


def test_an_accuracy_in_percent() -> None:
    assert [*map(accuracy, POPULATIONS)] == ["50.0% (25.0% to 75.0%)", "-"]


async def test_a_pool_is_described_from_its_record() -> None:
    questions = [Question(f"q{i}", f"{i}?", "math", gold=str(i)) for i in range(6)]
    model = SimulatedModel(Simulation(p=0.5))
    with Record(None) as record:
        method = Majority(n=3)
        record.begin({"method": dict(method.settings()), "model": model.name}, questions)
        empty = described_pool(record, Recipe(k=3))
        await evaluate(Engine(model, Settings(), record), method, questions)
        found = described_pool(record, Recipe(k=3))
        right = [member.right for place in range(6) for member in record.members(place).values()]
    assert (empty["replies"], empty["pass_at_1"], empty["interval"], empty["pass_at_n"]) == (0, None, None, None)
    assert (found["a_problem"], found["replies"], found["replies_cut"], found["failed"]) == (3, 18, 0, 0)
    assert found["pass_at_1"] == pytest.approx(sum(right) / 18)
    assert found["pass_at_n"] == pytest.approx(sum(any(right[3 * i : 3 * i + 3]) for i in range(6)) / 6)
    assert found["interval"][0] < found["pass_at_1"] < found["interval"][1]
    assert found["simulated"] is True
