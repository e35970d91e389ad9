"""Whole replies: scored (one that was cut included), counted as votes, and the gold answer as a reply states it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace

from selfagg.scoring.base import Scorer, Verdict, scorer_for
from selfagg.scoring.code_blocks import before_open_block
from selfagg.scoring.extract import last_answer_tag, last_box
from selfagg.types import Member, Question, Reply, Stop

_EXAMPLES = ("example_correct_answer", "example_answer", "possible_answer")
"""The places where Reasoning Gym's puzzles with many right answers (cube, logic, graph colouring) keep one."""


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


async def majority(scorer: Scorer, question: Question, members: Sequence[Member]) -> list[list[Member]]:
    """Group the members whose answers are the same; those without an answer do not vote.

    Returns:
        The groups, the largest first; of groups of one size the one with the earliest member first, and members
        within a group in the order given. Their number is the number of distinct answers.
    """
    voters = [(member, member.answer) for member in members if member.answer is not None]
    firsts = await scorer.same(question, [answer for _, answer in voters])
    groups: dict[int, list[Member]] = {}
    for (member, _), first in zip(voters, firsts, strict=True):
        groups.setdefault(first, []).append(member)
    return sorted(groups.values(), key=len, reverse=True)  # stable: ties stay in the order of first members


def incomparable(question: Question) -> str:
    """Return why the answers to a question cannot be compared, or ``""`` if they can be."""
    if question.kind == "code":
        return "programs are compared by their text, and two right ones hardly ever have the same"
    asked = f"{question.text}{question.instruction or ''}{json.dumps(question.context)}"
    if question.kind == "text" and question.gold is None and "<answer>" not in asked:
        return "free text has no marked answer, and two responses hardly ever have the same words"
    return ""


def stated(question: Question) -> str | None:
    r"""Return the gold answer in the form that its kind asks for: ``\boxed{}``, ``<answer>`` tags, a code block.

    Returns:
        The response, or None where no right answer is known: two Reasoning Gym puzzles (boxnet, rush_hour) come
        without one.
    """
    gold = question.gold
    if not gold and question.kind == "reasoning_gym":
        entry = question.data.get("entry") or {}
        metadata = entry.get("metadata") or {}
        known = next(filter(None, [entry.get("answer"), *map(metadata.get, _EXAMPLES)]), None)
        gold = known if known is None or isinstance(known, str) else json.dumps(known)
    if not gold:
        return None
    match question.kind:
        case "math" | "choice":
            return rf"\boxed{{{gold}}}"
        case "code":
            return f"```python\n{gold}\n```"
        case _:
            return f"<answer>{gold}</answer>"


def respelled(question: Question) -> str | None:
    """Return a response that states the gold answer as a model might: other fonts, spacing and words around it.

    Returns:
        The response, or None if no right answer is known or its kind has one spelling only (programs, puzzles).
    """
    gold = question.gold
    if not gold or question.kind in ("code", "reasoning_gym"):
        return None
    if question.kind == "text":
        return f"I think so.\n<answer>\n{gold.swapcase() if gold.isascii() else gold} </answer>\nThat is all."
    if question.kind == "choice":
        return rf"So the right option is \boxed{{\text{{({(last_box(gold) or gold).strip('() .')})}}}}."
    text = math_gold(gold).strip().strip("$ ")
    if re.fullmatch(r"-?[0-9]+", text):
        text = rf"\mathbf{{{text}.0}}"
    elif not re.search(r"[0-9\\=+^]", text):
        text = rf"\textbf{{{text.swapcase() if len(text) > 1 else text}}}"
    else:
        text = re.sub(r"\\[td]?frac(?![a-zA-Z])", r"\\dfrac", text)
        text = r"\displaystyle " + re.sub(r",(?! *[0-9]{3}(?![0-9]))", r",\\;", text) + r"\,"
    return rf"So the final answer is $\boxed{{{text}}}$."


def math_gold(gold: str) -> str:
    r"""Return the answer within a gold answer: the last ``\boxed{}``, what follows ``####`` (GSM8K), else all of it."""
    marked = re.search(r"^\s*####\s*(\S.*)$", gold, re.MULTILINE)
    return last_box(gold) or (marked[1].strip() if marked else gold)
