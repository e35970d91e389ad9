"""``eval --ray``: an evaluation split over many machines."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from rich.console import Console
from rich.text import Text

from selfagg.analysis.summary import Summary, summarise
from selfagg.benchmarks.given import QuestionSet
from selfagg.cli.options import CodeOptions, ModelChoice
from selfagg.cli.work import command_line
from selfagg.cluster import Job, RunSplit, connected
from selfagg.methods import Method
from selfagg.models import Access
from selfagg.models.openai.address import NO_KEY, read_header, read_key
from selfagg.progress import ProgressBar
from selfagg.record.configuration import about, configuration
from selfagg.record.record import Record
from selfagg.run.engine import Settings
from selfagg.run.runner import Schedule
from selfagg.terminal import say


async def evaluate_on_ray(
    address: str,
    workers: int | None,
    asked: QuestionSet,
    method: Method,
    schedule: Schedule,
    settings: Settings,
    choice: ModelChoice,
    code: CodeOptions,
    path: Path,
    console: Console,
) -> Summary:
    """Evaluate a method over the workers of a Ray cluster, into one record."""
    job = Job(
        choice.model,
        _spelled_out(choice.access),
        method,
        settings,
        asked.source,
        schedule,
        folder=str(Path.cwd()),
        programs=any(question.kind == "code" for question in asked.questions),
        sandbox="unprotected" if code.unprotected else code.sandbox,
    )
    progress, opening = ProgressBar(console), console.status(Text(f"opening {choice.model} on Ray workers ..."))
    with opening, connected(address, job.model, workers) as ray:
        async with RunSplit(ray, job, asked.questions, progress, lambda words: say(words, console)) as split:
            facts = await split.first()
            opening.stop()
            with Record(path) as record:
                known = about(command=command_line(), context=facts.context)
                record.begin(configuration(method, facts.model, settings, asked.source), asked.questions, known)
                progress.started(record)
                try:
                    await split.evaluate(record)
                finally:
                    progress.ended()
                return summarise(record)


def _spelled_out(access: Access) -> Access:
    """Return the access with all that stands in this machine's environment and files, which workers do not have."""
    urls = access.base_urls or tuple(filter(None, [os.environ.get("OPENAI_BASE_URL")]))
    key = read_key(access.api_key, access.api_key_file)
    headers = tuple("=".join(read_header(word)) for word in access.headers)
    key_given = None if key == NO_KEY else key
    return dataclasses.replace(access, base_urls=urls, headers=headers, api_key_file=None, api_key=key_given)
