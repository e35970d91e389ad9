"""A method of one's own: half of the members aggregate K candidates, the others begin anew. A SIMULATED model answers.

Register it, and `selfagg eval --method half` knows it too, in your package's pyproject.toml:
[project.entry-points."selfagg.methods"]
half = "own_method:Half"
"""

from asyncio import gather
from dataclasses import dataclass

import selfagg


@dataclass(frozen=True)
class Half(selfagg.Method):
    """In every later population the members with an even place aggregate the K members that follow them."""

    name = "half"
    k: int = 2

    @property
    def parents(self) -> int:
        return self.k

    def members(self, run):
        @run.memoised
        async def member(t, i):
            if t == 1 or i % 2:
                return await run.sample(t, i, selfagg.first(run.question))
            candidates = await gather(*(member(t - 1, (i + step) % self.n) for step in range(self.k)))
            return await run.sample(t, i, selfagg.aggregation(run.question, candidates))

        return member


if __name__ == "__main__":
    questions = [{"question": f"What is {i} * {i}?", "answer": i * i, "kind": "math"} for i in range(2, 10)]
    for method in (Half(n=4, k=2, t=3), selfagg.RSA(n=4, k=2, t=3)):
        evaluation = selfagg.evaluate(questions, model="simulated:p=0.4", method=method)
        print(f"{method.name}: {evaluation.answer.mean:.0%}")
