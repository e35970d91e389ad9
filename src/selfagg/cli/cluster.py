"""``--ray``: an evaluation split over the workers of a Ray cluster."""

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
    from selfagg.engine.engine import Settings
    from selfagg.engine.run import Schedule
    from selfagg.methods import Method
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

    def check(self) -> None:
        """Raises `UsageError` where workers are asked for and no cluster is."""
        from selfagg.errors import UsageError

        if self.workers is not None and self.ray is None:
            raise UsageError("--workers needs --ray ADDRESS (local: on this machine)")


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
