"""The lineage of a question of rows."""

from __future__ import annotations

from examples.rows.lineage import ancestors, bound, told

from selfagg.api import Population
from selfagg.evaluation.evaluate import EvaluatedQuestion
from selfagg.types import Member, Question, Reply

TEXT = "Two rows.\nA: 7 3 gives 4\nB: 2 2 gives 4"
QUESTION = Question("rows-7", TEXT, gold="A 7-3, B 2+2", data={"parts": ["A", "B"]})


def member(t: int, i: int, answer: str, *parents: int) -> Member:
    return Member(t, i, parents, Reply(answer), answer=answer, score=float(answer == QUESTION.gold))


def evaluated(*populations: list[Member]) -> EvaluatedQuestion:
    return EvaluatedQuestion(
        QUESTION, [Population(t, dict(enumerate(members))) for t, members in enumerate(populations, 1)], None
    )


FIRST = [member(1, 0, "A 7-3, B 2-2"), member(1, 1, "A 7+3, B 2+2"), member(1, 2, "A 7+3, B 2-2")]
SOLVED = evaluated(FIRST, [member(2, 0, "A 7+3, B 2-2", 2, 1), member(2, 1, "A 7-3, B 2+2", 1, 0)])


def test_rows_travel() -> None:
    assert told([SOLVED]).splitlines() == [
        "How rows-7 was solved; no member of population 1 is right.",
        "  Two rows.",
        "  A: 7 3 gives 4",
        "  B: 2 2 gives 4",
        "population 1",
        "  #1   A 7-3   ok   B 2-2   ..",
        "  #2   A 7+3   ..   B 2+2   ok",
        "population 2",
        "  #2   A 7-3   ok   B 2+2   ok   RIGHT  from #2, #1",
    ]


def test_questions_with_a_right_first_sample_are_passed_over() -> None:
    easy = evaluated([member(1, 0, "A 7-3, B 2+2")], [member(2, 0, "A 7-3, B 2+2", 0)])
    assert told([easy, SOLVED]) == told([SOLVED])
    assert told([easy]).startswith("No question")


def test_ancestors_of_a_member() -> None:
    assert ancestors(SOLVED.populations, 0) == [[1, 2], [0]]


def test_the_bound_of_choosing() -> None:
    easy = evaluated([member(1, 0, "A 7-3, B 2+2"), member(1, 1, "A 7-3, B 2-2")])
    assert bound([SOLVED, easy]).startswith("1 of 2 questions have a right answer among 3 samples (pass@3 50%)")
