"""Scoring: the check that an answer is right, and that two answers are the same."""

from selfagg.scoring.base import Scorer, Verdict, incomparable, majority, score_reply, scorer_for, stated_answer
from selfagg.scoring.gold import gold_response

__all__ = [
    "Scorer",
    "Verdict",
    "gold_response",
    "incomparable",
    "majority",
    "score_reply",
    "scorer_for",
    "stated_answer",
]
