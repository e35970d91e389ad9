"""Whole replies, one that was cut included: the answer that a reply states, and its score."""

from __future__ import annotations

from dataclasses import replace

from selfagg.scoring.base import Scorer, Verdict, scorer_for
from selfagg.scoring.code_blocks import before_open_block
from selfagg.scoring.extract import last_answer_tag, last_box
from selfagg.types import Question, Reply, Stop


def stated_answer(question: Question, reply: Reply, scorer: Scorer | None = None) -> str | None:
    """Return the final answer that a reply states, or None; ``scorer`` None: that of the question's kind."""
    return (scorer or scorer_for(question.kind)).answer(question, _finished_part(question, reply))


async def score_reply(question: Question, reply: Reply, scorer: Scorer | None = None) -> Verdict:
    """Score one reply; one that states no answer scores what an empty response scores.

    A scorer that a user gives sees the whole reply, and decides itself what of it counts.

    Raises:
        SelfaggError: The question cannot be scored here: its data is broken, or a check cannot be run at all.
    """
    text = _finished_part(question, reply)
    if scorer is not None:
        verdict = await scorer.score(question, reply.text)
        return verdict if text == reply.text else replace(verdict, answer=scorer.answer(question, text))
    scorer = scorer_for(question.kind)
    if scorer.answer(question, text) is not None:
        return await scorer.score(question, text)
    return replace(await scorer.score(question, ""), answer=None)


def _finished_part(question: Question, reply: Reply) -> str:
    """Return the text that an answer may be read from: of a reply that was cut, only what it had finished.

    The end of a cut reply is no final statement: an answer in tags or in a box counts, the last words do not, nor does
    a program whose code block is still open.
    """
    if reply.stop not in (Stop.LENGTH, Stop.FILTERED):
        return reply.text
    if question.kind == "code":
        return before_open_block(reply.text)
    marked = last_answer_tag(reply.text) or (question.kind == "choice" and last_box(reply.text))
    return reply.text if marked or question.kind == "math" else ""
