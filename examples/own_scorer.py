"""Scorers of one's own: a function that scores, and an object that reads and compares. A SIMULATED model answers.

Register one, and `selfagg eval --scorer parity` knows it too, in your package's pyproject.toml:
[project.entry-points."selfagg.scorers"]
parity = "own_scorer:Parity"
"""

import re

import selfagg


def short(question: selfagg.Question, text: str) -> float:
    """Return 1 for a response of less than 30 characters, 0.5 for others; an async function may be given too."""
    return 1.0 if len(text) < 30 else 0.5


class Parity:
    """Takes two numbers for the same answer if both are odd, or both even."""

    def answer(self, question, text):
        found = re.findall(r"\d+", text)
        return found[-1] if found else None

    def same(self, question, answers):
        parities = [int(answer) % 2 for answer in answers]
        return [parities.index(parity) for parity in parities]


if __name__ == "__main__":
    questions = [{"question": f"What is {i} * {i}?", "answer": i * i, "kind": "math"} for i in range(2, 10)]
    for scorer in (short, Parity()):
        evaluation = selfagg.evaluate(questions, model="simulated:p=0.4", method="majority", n=5, scorer=scorer)
        print(f"{scorer}: {evaluation.answer.mean:.0%}")
