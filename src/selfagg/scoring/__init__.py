"""Scoring: the check that an answer is right, and that two answers are the same."""

from selfagg.scoring.base import Scorer, Verdict, scorer_for
from selfagg.scoring.gold import gold_response
from selfagg.scoring.vote import incomparable, majority

__all__ = ["Scorer", "Verdict", "gold_response", "incomparable", "majority", "scorer_for"]
