"""A whole reply scored, one that was cut included: what an evaluation and a reward have in common."""

from __future__ import annotations

from selfagg.scoring import scorer_for
from selfagg.scoring.base import Verdict
from selfagg.types import Question, Reply, Stop


def stated_answer(question: Question, reply: Reply) -> str | None:
    """The final answer that a reply states, or None."""
    if question.kind == "text" and reply.stop is Stop.LENGTH and "</answer>" not in reply.text:
        return None  # the whole response would be the answer, and it is not whole
    return scorer_for(question.kind).answer(question, reply.text)


async def score_reply(question: Question, reply: Reply) -> Verdict:
    """Scores one reply; one that states no answer scores what an empty response scores.

    Raises:
        SelfaggError: The question cannot be scored here: its data is broken, or a check cannot be run at all.
    """
    if stated_answer(question, reply) is not None:
        return await scorer_for(question.kind).score(question, reply.text)
    verdict = await scorer_for(question.kind).score(question, "")
    return Verdict(None, verdict.score, verdict.note)
