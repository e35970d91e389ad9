"""Scorers that a user gives: a function, an object, a registered name."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from selfagg import registry
from selfagg.errors import UsageError
from selfagg.scoring import Scorer, Verdict
from selfagg.scoring.given import scorer_given
from selfagg.types import Question

QUESTION = Question("q", "?", kind="math", gold="4")
FOUR = r"\boxed{4}"


def made(given: Any) -> Scorer:
    found = scorer_given(given)
    assert found is not None
    return found


class Parity:
    """Reads the last word; even numbers are one answer, odd ones another."""

    name = "parity"

    def answer(self, question: Question, text: str) -> str | None:
        return text.split()[-1] if text else None

    def same(self, question: Question, answers: Sequence[str]) -> Sequence[int]:
        kinds = [int(answer) % 2 for answer in answers]
        return [kinds.index(kind) for kind in kinds]


class Tuples(Parity):
    name = ""

    def same(self, question: Question, answers: Sequence[str]) -> tuple[int, ...]:
        return tuple(super().same(question, answers))

    def method(self, question: Question, text: str) -> float:
        return 1.0


class Length(Parity):
    def score(self, question: Question, text: str) -> float:
        return min(1.0, len(text) / 10)


async def later(question: Question, text: str) -> bool:
    return "4" in text


@pytest.mark.parametrize(
    ("given", "text", "verdict"),
    [
        (lambda question, text: 0.25, FOUR, Verdict("4", 0.25)),
        (lambda question, text: True, FOUR, Verdict("4", 1.0)),
        (lambda question, text: 0, r"\boxed{5}", Verdict("5", 0.0)),
        (lambda question, text: Verdict("mine", 0.5, "why"), FOUR, Verdict("mine", 0.5, "why")),
        (lambda question, text: later(question, text), FOUR, Verdict("4", 1.0)),
        (later, FOUR, Verdict("4", 1.0)),
        (later, "five", Verdict(None, 0.0)),
        (lambda question, text: 1.0, "", Verdict(None, 0.0)),
        (Parity(), "it is 6", Verdict("6", 1.0)),
        (Parity(), "it is 7", Verdict("7", 0.0)),
        (Length(), "it is 6", Verdict("6", 0.7)),
    ],
)
async def test_scores(given: Any, text: str, verdict: Verdict) -> None:
    found = await made(given).score(QUESTION, text)
    assert found == verdict
    assert found.score is None or type(found.score) is float  # as records and JSON hold it


async def test_without_a_gold_answer_equality_gives_no_score() -> None:
    assert await made(Parity()).score(Question("q", "?"), "it is 6") == Verdict("6")


@pytest.mark.parametrize(
    ("returned", "shown"), [(2, "2"), (-0.1, "-0.1"), (None, "None"), ("1", "'1'"), (float("nan"), "nan")]
)
async def test_what_is_no_score_leaves_the_answer_unscored(returned: Any, shown: str) -> None:
    verdict = await made(lambda question, text: returned).score(QUESTION, FOUR)
    assert (verdict.answer, verdict.score) == ("4", None)
    assert verdict.note.endswith(f" returned {shown}, no number from 0 to 1")


async def test_what_it_raises_leaves_the_answer_unscored() -> None:
    def fails(question: Question, text: str) -> float:
        raise KeyError("x" * 1000)

    verdict = await made(fails).score(QUESTION, FOUR)
    assert (verdict.answer, verdict.score, len(verdict.note)) == ("4", None, 500)
    assert verdict.note.startswith("the scorer ")
    assert "fails raised KeyError: 'xxx" in verdict.note


async def test_answers_are_compared_as_the_kind_does_or_as_the_object_does() -> None:
    assert await made(later).same(QUESTION, ["1/2", "0.5", "2"]) == [0, 0, 2]
    for scorer in (Parity(), Tuples()):
        assert await made(scorer).same(QUESTION, ["1", "2", "3"]) == [0, 1, 0]


async def test_a_function_that_is_not_async_runs_in_a_thread_one_call_at_a_time() -> None:
    running, seen = threading.Semaphore(1), []

    def alone(question: Question, text: str) -> float:
        assert running.acquire(blocking=False)
        seen.append(threading.current_thread() is threading.main_thread())
        running.release()
        return 1.0

    scorer = made(alone)
    verdicts = await asyncio.gather(*(scorer.score(QUESTION, FOUR) for _ in range(20)))
    assert {verdict.score for verdict in verdicts} == {1.0}
    assert seen == [False] * 20


def test_each_has_a_name_by_which_records_tell_them_apart() -> None:
    assert getattr(made(Parity()), "name") == "parity"  # noqa: B009
    for given, name in ((later, "later"), (Tuples(), "Tuples"), (Tuples().method, "Tuples.method")):
        assert getattr(made(given), "name").endswith(f"test_given.{name}")  # noqa: B009
    assert getattr(made(len), "name") == "builtins.len"  # noqa: B009
    assert scorer_given(None) is None
    once = made(later)
    assert scorer_given(once) is once


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (3, "the scorer must be a function (question, text) -> score, or an object with answer and same, not 3"),
        (Parity, "the scorer is the class Parity: write Parity()"),
        ("exact", "there is no scorer 'exact'; no package registers one"),
    ],
)
def test_what_is_no_scorer_is_refused(given: Any, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        scorer_given(given)
    assert str(caught.value).startswith(why)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A real package that registers a class, a function and a text as scorers."""
    (tmp_path / "outside_scorers.py").write_text(
        "class Always:\n    def answer(self, question, text): return text\n"
        "    def same(self, question, answers): return [0] * len(answers)\n"
        "def half(question, text): return 0.5\nTEXT = 'half'\n"
    )
    about = tmp_path / "outside_scorers-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-scorers\nVersion: 1.0\n")
    entries = "".join(f"{name} = outside_scorers:{name}\n" for name in ("Always", "half", "TEXT"))
    (about / "entry_points.txt").write_text(f"[selfagg.scorers]\n{entries}")
    monkeypatch.syspath_prepend(tmp_path)
    registry.registered.cache_clear()
    yield
    registry.registered.cache_clear()


@pytest.mark.usefixtures("package")
async def test_scorers_that_packages_register() -> None:
    assert await made("Always").score(QUESTION, "any") == Verdict("any", 1.0)
    assert await made("half").score(QUESTION, FOUR) == Verdict("4", 0.5)
    with pytest.raises(UsageError, match=r"there is no scorer 'Half'; did you mean .*half"):
        scorer_given("Half")
    with pytest.raises(UsageError, match="there is no scorer 'TEXT'"):
        scorer_given("TEXT")
