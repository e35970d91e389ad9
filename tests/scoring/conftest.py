"""What the scorers' tests share: worker processes that end with each file, and a scorer that runs programs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from selfagg.sandbox import Limits, Sandbox
from selfagg.scoring import workers
from selfagg.scoring.code import CodeScorer


@pytest.fixture(scope="module", autouse=True)
def _workers() -> Iterator[None]:
    yield
    workers.close()


@pytest.fixture
def scorer(sandbox: Sandbox) -> CodeScorer:
    """Runs programs for real, each for a second at most."""
    return CodeScorer(sandbox, Limits(seconds=1, memory=512 << 20, output=1 << 20))
