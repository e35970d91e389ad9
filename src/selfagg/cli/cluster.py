"""``--ray`` and ``--shard``: an evaluation split over many machines."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

from selfagg._internal.arguments import check_amounts
from selfagg.cli.options import CodeOptions, MethodChoice, ModelChoice
from selfagg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from selfagg.analysis.summary import Summary
    from selfagg.benchmarks.given import QuestionSet
    from selfagg.cluster.worker import Job
    from selfagg.methods import Method
    from selfagg.run.engine import Settings
    from selfagg.run.runner import Schedule
    from selfagg.types import Question


@dataclasses.dataclass(frozen=True)
class ClusterOptions:
    """The options to split a run over many machines.

    Attributes:
        ray: Split the questions over Ray workers: local (here), auto or HOST:PORT (a cluster that runs).
        workers: Number of workers (default: one a machine, at least two; one a GPU if the model runs in the worker).
        shard: Only every Nth question, from the Ith on (I/N): one job of N, each with its own --record; then merge.
    """

    ray: str | None = None
    workers: int | None = None
    shard: str | None = None

    def check(self) -> None:
        """Raise `UsageError` where options do not go together, or there is no such shard."""
        if self.workers is not None and self.ray is None:
            raise UsageError("--workers needs --ray ADDRESS (local: on this machine)")
        if self.shard is not None and self.ray is not None:
            raise UsageError("--shard does not go with --ray, which shares the questions out itself")
        check_amounts(workers=self.workers)
        _ = self.part

    @property
    def part(self) -> tuple[int, int] | None:
        """Return the shard and the number of shards; raise `UsageError` if there is no such shard."""
        if self.shard is None:
            return None
        i, _, n = self.shard.partition("/")
        if not (i.isdecimal() and n.isdecimal() and 1 <= int(i) <= int(n)):
            raise UsageError(f"--shard {self.shard}: write I/N, I from 1 to N, such as 2/8")
        return int(i), int(n)

    async def run(
        self,
        asked: QuestionSet,
        method: Method,
        choice: MethodChoice,
        settings: Settings,
        model: ModelChoice,
        code: CodeOptions,
        path: Path,
        console: Console,
    ) -> Summary:
        """Evaluate a method over the workers of a Ray cluster."""
        from rich.text import Text

        from selfagg.analysis.summary import summarise
        from selfagg.cli.stopping import command_line
        from selfagg.cluster.run import RunSplit, connected
        from selfagg.progress_bar import ProgressBar
        from selfagg.record.configuration import about, configuration
        from selfagg.record.record import Record
        from selfagg.terminal import say

        questions, source = asked.questions, asked.source
        job = job_of(model, method, settings, choice.schedule, source, questions, code)
        progress, opening = ProgressBar(console), console.status(Text(f"opening {model.model} on Ray workers ..."))
        with opening, connected(str(self.ray), job.model, self.workers) as ray:
            async with RunSplit(ray, job, questions, progress, lambda words: say(words, console)) as split:
                facts = await split.first()
                opening.stop()
                with Record(path) as record:
                    record.begin(
                        configuration(method, facts.model, settings, source),
                        questions,
                        about(command=command_line(), context=facts.context),
                    )
                    progress.started(record)
                    try:
                        await split.evaluate(record)
                    finally:
                        progress.ended()
                    return summarise(record)


def job_of(
    model: ModelChoice,
    method: Method,
    settings: Settings,
    schedule: Schedule,
    source: str,
    questions: Sequence[Question],
    code: CodeOptions,
) -> Job:
    """Return the job for the workers; it spells out what stands in this machine's environment and files.

    Raises:
        UsageError: The API key's file cannot be read.
    """
    from selfagg.cluster.worker import Job
    from selfagg.models.openai.credentials import NO_KEY, read_header, read_key

    access = model.access
    urls = access.base_urls or tuple(filter(None, [os.environ.get("OPENAI_BASE_URL")]))
    key = read_key(access.api_key, access.api_key_file)
    headers = tuple("=".join(read_header(word)) for word in access.headers)
    return Job(
        model.model,
        dataclasses.replace(
            access, base_urls=urls, headers=headers, api_key_file=None, api_key=None if key == NO_KEY else key
        ),
        method,
        settings,
        source,
        schedule,
        folder=str(Path.cwd()),
        programs=any(question.kind == "code" for question in questions),
        sandbox="unprotected" if code.unprotected else code.sandbox,
    )
