"""Wrong answers that Reasoning Gym's scorers take for right; the scoring itself is tried in worker processes."""

from __future__ import annotations

import pytest

from selfagg.scoring.gym_check import _mistaken


@pytest.mark.parametrize(
    ("task", "gold", "answer", "mistaken"),
    [
        ("game_of_life_halting", "True", "true", False),
        ("game_of_life_halting", "True", "It is True.", False),
        ("game_of_life_halting", "True", "False", True),
        ("game_of_life_halting", "False", "true or false", True),
        ("game_of_life_halting", "False", "no", True),
        ("spell_backward", "olleh", " OLLEH ", False),
        ("spell_backward", "olleh", "olleh olleh", True),
        ("complex_arithmetic", "1.0 + 2.0i", "1+2i", False),
        ("complex_arithmetic", "1.0 + 2.0i", "NaN", True),
        ("coin_flip", "0.375", "0.375", False),
        ("coin_flip", "0.375", "3/8", False),
        ("coin_flip", "0.375", "0.37505", False),
        ("coin_flip", "0.375", "0.3752", True),
        ("coin_flip", "0.375", "0", True),
        ("coin_flip", "1234.5", "1,234.5", False),
        ("gsm_symbolic", "12", "12", False),
        ("gsm_symbolic", "12", "20 - 8 = 12", False),
        ("gsm_symbolic", "12", "$-12", True),
        ("gsm_symbolic", "12", "x = - $12", True),
        ("gsm_symbolic", "-12", "-12", False),
        ("another", "1", "nan", False),
    ],
)
def test_mistaken(task: str, gold: str, answer: str, mistaken: bool) -> None:
    assert _mistaken(task, answer, {"answer": gold}) is mistaken
