"""First samples out of a file of recorded answers, so that votes can be tried on real answers without a model.

There is nothing to aggregate with: a call with candidates is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from selfagg.benchmarks.data_files import read_rows, stem
from selfagg.benchmarks.file import Samples, is_recorded, recorded_question, samples_of
from selfagg.errors import UsageError
from selfagg.models import Access
from selfagg.models.base import AlwaysOpen
from selfagg.run.subsets import address_random
from selfagg.scoring import gold_response
from selfagg.types import Message, Reply, Request, Usage


def connect(name: str, access: Access) -> RecordedModel:
    """Return the connection to a file of recorded answers; its format is told in `selfagg.benchmarks.file`."""
    if not name:
        raise UsageError("recorded: names no file; type recorded:FILE, a file of recorded answers")
    return RecordedModel(Path(name), access)


class RecordedModel(AlwaysOpen):
    """A model that gives member i of the first population the i-th recorded sample, in an order drawn by the seed."""

    def __init__(self, path: Path, access: Access | None = None) -> None:
        self.name = f"recorded:{path.name}"
        self.concurrency = (access and access.concurrency) or 256
        self.context: int | None = None
        self._path = path
        self._by_id: dict[str, Samples] = {}
        self._by_text: dict[str, Samples] = {}

    async def __aenter__(self) -> Self:
        """Read the file.

        Raises:
            UsageError: It is missing or broken, or two of its questions have one name.
        """
        for row in read_rows(self._path):
            samples = samples_of(row)
            if is_recorded(row):
                own = recorded_question(row, name=stem(self._path)).id
            else:
                own = row.answer("id") if row.has("id") else f"{stem(self._path)}-{row.number + 1}"
                self._by_text[row.text("question").strip()] = samples
            if own in self._by_id:
                raise UsageError(f"{row.place}: the id {own!r} is taken already by an earlier row")
            self._by_id[own] = samples
        return self

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        return 0

    async def sample(self, request: Request) -> Reply:
        """Return the recorded answer of a member, in the form that its kind asks for.

        Raises:
            UsageError: The file lacks the question or so many samples of it, or the call has candidates.
        """
        question = request.question
        if request.parents:
            raise UsageError(
                f"{self.name} holds first samples alone, and nobody to aggregate or judge them: use --method majority "
                "or single (RSA of one population is -t 1)"
            )
        samples = self._by_id.get(question.id) or self._by_text.get(question.text.strip())
        if samples is None:
            raise UsageError(
                f"{self.name} has no question {question.id!r}, neither by its id nor by its text; "
                f"selfagg eval {self._path.name} -m {self.name} asks the file's own questions"
            )
        there = len(samples.answers)
        if request.place >= there:
            raise UsageError(f"{self.name} has {there} samples of question {question.id}: ask for -n {there} or fewer")
        place = address_random(request.run_seed, question.id, "recorded").sample(range(there), there)[request.place]
        answer = samples.answers[place]
        text = None if answer is None else gold_response(replace(question, gold=answer))
        usage = Usage(unknown=1) if samples.tokens is None else Usage(completion=samples.tokens[place])
        return Reply(text or "Recorded reply without an answer.", usage=usage)
