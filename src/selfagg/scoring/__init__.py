"""Scoring: the check that an answer is right, and that two answers are the same."""

from selfagg.scoring.base import Scorer, Verdict, scorer_for
from selfagg.scoring.reply import incomparable, majority, stated

__all__ = ["Scorer", "Verdict", "incomparable", "majority", "scorer_for", "stated"]
