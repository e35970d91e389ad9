"""What the report's tests share: records made by a simulated model or by hostile replies, and one headless Chromium."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from selfagg.methods import method_named
from selfagg.models import connect
from selfagg.models.base import Model
from selfagg.record.configuration import configuration
from selfagg.record.record import Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.types import Question, Reply, Request, Sampling, Usage

HOSTILE = (
    r"""<script>window.hacked = 1</script></script></textarea><!-- <script>
<img src=x onerror="window.hacked = 2"> <svg onload="window.hacked = 3"></svg>
<iframe src="javascript:window.hacked=4"></iframe>
[click](javascript:window.hacked=5) ![seen](http://example.org/x.png) <javascript:window.hacked=6> <http://example.org/>
$<img src=x onerror=window.hacked=7>$ $\href{javascript:window.hacked=8}{x}$
$\style{background:url(http://example.org)}{y}$
abc"""
    + "\u202edcba\u202c"
    + r""" {{title}} {{script}} \u003c/script>
```html
<script>window.hacked = 9</script>
```
<answer><b>7</b>"""
)

RunOf = Callable[..., Path]


class Scripted:
    """A model whose every reply is the same text, wrapped around the protocol of the simulated one."""

    def __init__(self, text: str) -> None:
        self._inner: Any = connect("simulated:")
        self._text = text
        self.name = "simulated:scripted"
        self.concurrency = 8
        self.context: int | None = None

    async def __aenter__(self) -> Scripted:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def count_tokens(self, messages: Sequence[Any]) -> int:
        return int(await self._inner.count_tokens(messages))

    async def sample(self, request: Request) -> Reply:
        return Reply(self._text, reasoning=f"thinking {self._text}", usage=Usage(10, 0, 5))


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> RunOf:
    """Makes a record: ``run_of(method, model, questions, seed=..., candidate=..., **settings)``."""

    def make(
        method: str,
        model: str | Model,
        questions: Sequence[Question],
        *,
        seed: int = 1234,
        candidate: str = "response",
        source: str = "sums",
        **settings: Any,
    ) -> Path:
        path = tmp_path_factory.mktemp("run") / f"{method}-{seed}.sqlite"
        chosen = method_named(method, **settings)
        asked = Settings(Sampling(), seed, candidate)

        async def run() -> None:
            async with model if not isinstance(model, str) else connect(model) as connection:
                with Record(path) as record:
                    record.begin(configuration(chosen, connection.name, asked, source), questions)
                    await evaluate(Engine(connection, asked, record), chosen, questions)

        asyncio.run(run())
        return path

    return make


@pytest.fixture(scope="session")
def sums() -> list[Question]:
    """Six questions, two of them with formulas."""
    text = [f"What is {i} + {i}? With ${i}^2 = {i * i}$." if i % 3 == 0 else f"What is {i} + {i}?" for i in range(6)]
    return [Question(f"sum-{i}", text[i], "math", str(2 * i), group="even" if i % 2 == 0 else "odd") for i in range(6)]


@pytest.fixture(scope="session")
def rsa(run_of: RunOf, sums: list[Question]) -> Path:
    """A run of RSA, N=6, K=2, T=4, some of whose replies have no answer and some of whose calls failed."""
    return run_of("rsa", "simulated:p=0.5,unanswered=0.1,fail=0.03", sums, n=6, k=2, t=4)


@pytest.fixture(scope="session")
def hostile(run_of: RunOf) -> Path:
    """A run whose replies, question and answers try to get out of the page."""
    question = Question(HOSTILE[:30], f"Say it: {HOSTILE}", "text", gold=HOSTILE)
    return run_of("rsa", Scripted(HOSTILE), [question, replace(question, id="</title>")], n=3, k=2, t=2, source="</h1>")
