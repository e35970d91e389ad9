"""Math scoring, held against math-verify as the paper's scripts call it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import math_verify  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfagg.scoring import math as math_scoring
from selfagg.scoring import workers
from selfagg.scoring.math import MathScorer
from selfagg.types import Question

HANGS = r"\sum_{k=1}^{9000} \sin(k!)"

AS_MATH_VERIFY = [
    (r"\frac{1}{2}", "0.5", True),
    (r"\frac{1}{2}", r"\dfrac{1}{2}", True),
    (r"\frac12", "1/2", True),
    ("1/2", ".5", True),
    ("0.333", "1/3", False),
    (r"\{1,2\}", r"\{2,1\}", True),
    ("1,2", "2,1", True),
    ("1,2", r"1 \text{ and } 2", True),
    ("(1,2)", "(2,1)", False),
    ("(1,2)", "1,2", True),
    ("(0,1]", r"\left(0,1\right]", True),
    ("[0,1]", "(0,1)", False),
    ("033", "33", True),
    ("33", "033", True),
    ("0", "-000", True),
    ("-984", "-984", True),
    ("5", "6", False),
    ("5", "x=5", True),
    ("x=5", "5", True),
    ("30", r"30^\circ", True),
    ("30", r"30 \text{ cm}", True),
    ("50", r"50\%", True),
    ("0.5", r"50\%", True),
    ("1000", "1,000", True),
    ("1000", "1{,}000", True),
    ("5", r"\text{5}", True),
    ("5", "$5$", True),
    ("5", r"\$5", True),
    ("5", r"\approx 5", True),
    ("5", "five", False),
    ("5", "5!", False),
    (r"\frac{-1+\sqrt{17}}{2}, \frac{-1-\sqrt{17}}{2}", r"\frac{-1-\sqrt{17}}{2}, \frac{-1+\sqrt{17}}{2}", True),
    (r"2^{25} \cdot 26!", r"26! \times 2^{25}", True),
    (r"1-\frac{2}{\pi}", r"\frac{\pi-2}{\pi}", True),
    (r"8\sqrt{10}", "25.298", False),
    (r"\sqrt{\frac{95}{24}}", r"\frac{\sqrt{570}}{12}", True),
    (r"14+4\sqrt{37}", r"4\sqrt{37}+14", True),
    ("x+1", "1+x", True),
    ("x^2-1", "(x-1)(x+1)", True),
    ("x^2-1", "(x-1)(x+2)", False),
    (r"\sin^2 x", r"1-\cos^2 x", True),
    ("10", "__import__('os').getpid()", False),
]


def question(gold: str | None) -> Question:
    return Question("q", "?", kind="math", gold=gold)


async def score(gold: str, answer: str) -> float | None:
    return (await MathScorer().score(question(gold), rf"Thus \boxed{{{answer}}}.")).score


@pytest.mark.parametrize(("gold", "answer", "right"), AS_MATH_VERIFY)
async def test_agrees_with_math_verify(gold: str, answer: str, right: bool) -> None:
    parsed = [math_verify.parse(rf"\boxed{{{text}}}", parsing_timeout=None) for text in (gold, answer)]
    assert math_verify.verify(*parsed, timeout_seconds=None) is right
    assert await score(gold, answer) == float(right)


@pytest.mark.parametrize(
    ("gold", "answer"), [("5", "5."), ("1000", r"1\,000"), ("1/2", "1/2."), ("abc de", "abc  de"), ("1,-1", r"\pm 1")]
)
async def test_differs_from_math_verify_on_purpose(gold: str, answer: str) -> None:
    assert await score(gold, answer) == 1.0


async def test_gold_may_come_in_a_box() -> None:
    assert await score(r"\boxed{5}", "5") == 1.0


async def test_without_gold_there_is_an_answer_but_no_score() -> None:
    verdict = await MathScorer().score(question(None), r"\boxed{5}")
    assert (verdict.answer, verdict.score) == ("5", None)


@pytest.mark.parametrize("text", ["The answer is 5", r"\boxed{5", r"\boxed{}", ""])
async def test_no_answer_is_wrong(text: str) -> None:
    verdict = await MathScorer().score(question("5"), text)
    assert (verdict.answer, verdict.score) == (None, 0.0)


async def test_plain_integers_need_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a worker was asked")

    monkeypatch.setattr(workers, "run", refuse)
    assert await score("033", "33") == 1.0
    assert await score("33", "34") == 0.0
    assert await MathScorer().same(question("5"), ["5", "05", "6", "-0", "0"]) == [0, 0, 2, 3, 3]


async def test_an_answer_that_hangs_has_no_score_is_noted_and_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(math_scoring, "TIMEOUT_S", 1.0)
    scorer, calls = MathScorer(), []
    run = workers.run

    async def counted(*args: str, timeout_s: float) -> object:
        calls.append(args)
        return await run(*args, timeout_s=timeout_s)

    monkeypatch.setattr(workers, "run", counted)
    verdicts = await asyncio.gather(*(scorer.score(question("5"), rf"\boxed{{{HANGS}}}") for _ in range(8)))
    verdicts.append(await scorer.score(question("5"), rf"\boxed{{{HANGS}}}"))
    assert {verdict.score for verdict in verdicts} == {None}
    assert all("took over 1 s" in verdict.note for verdict in verdicts)
    assert len(calls) == 1
    assert (await scorer.score(question("5"), r"\boxed{\frac{10}{2}}")).score == 1.0


async def test_answers_are_remembered_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(math_scoring, "_KEPT", 2)
    scorer, calls = MathScorer(), []

    async def counted(function: str, answer: str, **_: object) -> object:
        calls.append(answer)
        return ("text", [answer])

    monkeypatch.setattr(workers, "run", counted)
    for answer in ("a+1", "a+2", "a+1", "a+2", "a+3", "a+3", "a+1"):
        await scorer.value(answer)
    assert calls == ["a+1", "a+2", "a+3", "a+1"]  # the third came where two were kept: these are forgotten


@pytest.mark.parametrize(("error", "why"), [("MemoryError", "MemoryError"), ("", "the checker died")])
async def test_an_answer_whose_reading_fails_has_no_score(
    monkeypatch: pytest.MonkeyPatch, error: str, why: str
) -> None:
    async def failing(*_: object, **__: object) -> object:
        raise workers.WorkerError("no", error)

    monkeypatch.setattr(workers, "run", failing)
    for gold, text in (("a+1", r"\boxed{5}"), ("5", r"\boxed{a+1}")):
        verdict = await MathScorer().score(question(gold), text)
        assert (verdict.score, verdict.note) == (None, f"reading the answer failed ({why})")


async def test_hostile_boxes_run_nothing(tmp_path: Path) -> None:
    target = tmp_path / "pwned"
    hostile = f"__import__('os').system('touch {target}')"
    for box in (hostile, rf"\text{{{hostile}}}", f"3+{hostile}", f"1*({hostile})", f"[x for x in [{hostile}]]"):
        assert await score("10", box) == 0.0
        assert await MathScorer().same(question("10"), [box, "10.0"]) == [0, 1]
    assert not target.exists()


async def test_same_groups_by_equality() -> None:
    answers = ["5", r"\frac{1}{2}", "5.0", "x=5", "0.5", r"50\%", "7", r"\sqrt{2}", "1.41", r"2^{1/2}"]
    assert await MathScorer().same(question(None), answers) == [0, 1, 0, 0, 1, 1, 6, 7, 8, 7]
    assert await MathScorer().same(question(None), []) == []


async def test_same_survives_an_answer_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(math_scoring, "TIMEOUT_S", 1.5)
    answers = ["5", HANGS, "5.0", "0.5", HANGS, "1/2"]
    assert await MathScorer().same(question(None), answers) == [0, 1, 0, 3, 1, 3]


async def test_huge_answers_are_compared_as_text() -> None:
    huge = "1+" * 100_000 + "1"
    assert await score("5", huge) == 0.0
    assert await score(huge, huge) == 1.0
    assert await MathScorer().same(question(None), [huge, "0.5", huge]) == [0, 1, 0]


ANSWERS = [
    "5",
    "5 cm",
    "5 kg",
    "x = 5",
    "50",
    r"50\%",
    "0.5",
    "1,2",
    "(1,2)",
    "(2,1)",
    "1<x<2",
    r"\{2,1\}",
    "1/3",
    "0.333333",
]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(ANSWERS), min_size=2, max_size=6), st.randoms())
async def test_a_vote_of_two_is_the_score_and_no_vote_depends_on_the_order(votes: list[str], chance: Random) -> None:
    scorer = MathScorer()
    one, other = votes[:2]
    verdict = await scorer.score(question(one), rf"\boxed{{{other}}}")
    assert (await scorer.same(question(None), [one, other]) == [0, 0]) is (verdict.score == 1.0)
    groups = await partition(scorer, votes)
    chance.shuffle(votes)
    assert await partition(scorer, votes) == groups


async def partition(scorer: MathScorer, votes: list[str]) -> set[frozenset[str]]:
    firsts = await scorer.same(question(None), votes)
    return {frozenset(vote for vote, first in zip(votes, firsts, strict=True) if first == place) for place in firsts}


async def test_votes_above_the_range_of_floats_and_sixteen_hard_ones() -> None:
    huge = ["10^{400}", r"10\cdot 10^{399}", "2^{2025}", "2^{2024}", r"\binom{2025}{1012}", r"\binom{2025}{1013}"]
    assert await MathScorer().same(question(None), huge) == [0, 0, 2, 3, 4, 4]
    angles = [rf"\sin {5 * n}^\circ" for n in range(1, 9)] + [rf"\cos {90 - 5 * n}^\circ" for n in range(1, 9)]
    assert await MathScorer().same(question(None), angles) == [*range(8), *range(8)]
