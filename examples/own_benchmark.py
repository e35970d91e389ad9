"""A benchmark of one's own. A SIMULATED model answers.

Register it, and `selfagg eval squares` knows it too, in your package's pyproject.toml:
[project.entry-points."selfagg.benchmarks"]
squares = "own_benchmark:SQUARES"
"""

import random

import selfagg


def load(selection: selfagg.Selection) -> list[selfagg.Question]:
    """Return the questions of a selection, always the same ones in the same order."""
    draw = random.Random(selection.data_seed)
    size = selection.size if isinstance(selection.size, int) else SQUARES.size
    numbers = [draw.randrange(10, 100) for _ in range(size)]
    return [
        selfagg.Question(f"square-{place}", f"What is {number} * {number}?", kind="math", gold=str(number**2))
        for place, number in enumerate(numbers)
    ]


SQUARES = selfagg.Benchmark(name="squares", title="Squares of two digits", kind="math", size=20, load=load)

if __name__ == "__main__":
    questions = SQUARES.load(selfagg.Selection(size=5))
    evaluation = selfagg.evaluate(questions, model="simulated:p=0.4", method=selfagg.RSA(n=4, k=2, t=3))
    print(f"{len(evaluation.questions)} questions, answer: {evaluation.answer.mean:.0%}")
