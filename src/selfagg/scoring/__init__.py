"""Scoring: the check that an answer is right, and that two answers are the same."""

from __future__ import annotations

import functools
import importlib
from typing import cast

from selfagg.scoring.base import Scorer, Verdict
from selfagg.scoring.gold import stated
from selfagg.scoring.vote import incomparable, majority
from selfagg.types import Kind

__all__ = ["Scorer", "Verdict", "incomparable", "majority", "scorer_for", "stated"]

_SCORERS: dict[Kind, str] = {
    "math": "selfagg.scoring.math:MathScorer",
    "choice": "selfagg.scoring.choice:ChoiceScorer",
    "reasoning_gym": "selfagg.scoring.reasoning_gym:ReasoningGymScorer",
    "code": "selfagg.scoring.code:CodeScorer",
    "text": "selfagg.scoring.text:TextScorer",
}


@functools.cache
def scorer_for(kind: Kind) -> Scorer:
    """Return the scorer of a kind of question: one for the whole process, its module loaded when first asked for."""
    module, _, name = _SCORERS[kind].partition(":")
    return cast(Scorer, getattr(importlib.import_module(module), name)())
