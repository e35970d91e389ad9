"""A connection of one's own: a calculator that answers "A * B" wrongly now and then. No language model is asked.

Register it, and `selfagg eval --model calculator:0.3` knows it too, in your package's pyproject.toml:
[project.entry-points."selfagg.models"]
calculator = "own_model:connect"
"""

import random
import re

import selfagg


class Calculator(selfagg.AlwaysOpen):
    """Wrong with a given probability; the seed of the request decides."""

    concurrency, context = 8, None

    def __init__(self, wrong: float) -> None:
        self.name, self.wrong = f"calculator:{wrong}", wrong

    async def sample(self, request):
        a, b = re.findall(r"(\d+) \* (\d+)", request.messages[-1]["content"])[0]
        error = random.Random(request.seed).random() < self.wrong
        return selfagg.Reply(f"\\boxed{{{int(a) * int(b) + error}}}", usage=selfagg.Usage(prompt=20, completion=5))

    async def count_tokens(self, messages):
        return 20


def connect(name, access):
    """Return the model ``calculator:NAME``; ``access`` holds base URLs, key and the like, as the user gives them."""
    return Calculator(float(name or 0.3))


if __name__ == "__main__":
    print(
        selfagg.solve("What is 17 * 23?", model=Calculator(0.3), kind="math", method=selfagg.RSA(n=4, k=2, t=2)).answer
    )
