"""``--ray`` and ``--shard``: an evaluation split over many machines."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selfagg.cli.options import RUN, CodeOptions, ModelOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from selfagg.cluster.worker import Job
    from selfagg.methods import Method
    from selfagg.run.engine import Settings
    from selfagg.run.runner import Schedule
    from selfagg.types import Question


@dataclasses.dataclass(frozen=True)
class ClusterOptions:
    """Where a run is split over many machines."""

    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            rich_help_panel=RUN,
            help="Split the questions over Ray workers: local (here), auto or HOST:PORT (a cluster that runs).",
        ),
    ] = None
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            rich_help_panel=RUN,
            help="How many (default: one a machine, at least two; one a GPU if the model runs in the worker).",
        ),
    ] = None

    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            rich_help_panel=RUN,
            help="Only every Nth question, from the Ith on: one job of N, each with its own --record; then merge.",
        ),
    ] = None

    def check(self) -> None:
        """Raise `UsageError` where options do not go together."""
        from selfagg.errors import UsageError

        if self.workers is not None and self.ray is None:
            raise UsageError("--workers needs --ray ADDRESS (local: on this machine)")
        if self.shard is not None and self.ray is not None:
            raise UsageError("--shard does not go with --ray, which shares the questions out itself")
        _ = self.part

    @property
    def part(self) -> tuple[int, int] | None:
        """Return the shard and the number of shards; raise `UsageError` if there is no such shard."""
        from selfagg.errors import UsageError

        if self.shard is None:
            return None
        i, _, n = self.shard.partition("/")
        if not (i.isdecimal() and n.isdecimal() and 1 <= int(i) <= int(n)):
            raise UsageError(f"--shard {self.shard}: write I/N, I from 1 to N, such as 2/8")
        return int(i), int(n)


def job_of(
    model: ModelOptions,
    method: Method,
    settings: Settings,
    schedule: Schedule,
    source: str,
    questions: Sequence[Question],
    code: CodeOptions,
) -> Job:
    """What the workers are told: what this machine's environment and files say is said to them in words.

    Raises:
        UsageError: The API key's file cannot be read.
    """
    from selfagg.cluster.worker import Job
    from selfagg.models.openai.credentials import NO_KEY, read_header, read_key

    access = model.access()
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
