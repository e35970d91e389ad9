"""``selfagg batch``: a file of requests in, a file of results out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from selfagg.cli.generate import command
from selfagg.cli.options import ModelChoice
from selfagg.server.settings import RequestDefaults

if TYPE_CHECKING:
    from rich.console import Console

    from selfagg.server.batch import BatchResult


@command
def batch(
    requests: Path,
    *,
    model: ModelChoice,
    settings: RequestDefaults,
    out: Path,
    errors: Path | None = None,
    as_json: bool = False,
) -> None:
    """Answer a file of requests in OpenAI's batch format, as selfagg serve does; again, it goes on where it stopped.

    Args:
        requests: JSON lines with custom_id, method, url and body.
        out: The file of results; requests with a result in it are not asked again.
        errors: The file of errors (default: beside the results, as results.errors.jsonl).
        as_json: Print one JSON object on stdout.
    """
    import asyncio
    import json

    from rich.console import Console

    from selfagg.cli.stopping import Stopped, command_line

    try:
        done = asyncio.run(_answered(requests, out, errors, model, settings, Console(stderr=True)))
    except KeyboardInterrupt:
        raise Stopped(f"stopped; what is answered is in {out}; to go on:\n  {command_line()}", 130) from None
    answered = (
        f"{done.requests - done.failed:,} of {done.requests:,} answered, {done.before:,} of them before, in {out}"
    )
    print(json.dumps(done.to_dict(), ensure_ascii=False) if as_json else answered)
    if done.failed:
        again = f"to try them again:\n  {command_line()}"
        raise Stopped(f"{done.failed:,} of {done.requests:,} requests failed: see {done.errors}; {again}", 1)


async def _answered(
    requests: Path, out: Path, errors: Path | None, model: ModelChoice, settings: RequestDefaults, console: Console
) -> BatchResult:
    from dataclasses import asdict

    from selfagg.cli.opening import opened_model
    from selfagg.server.batch import abatch, read_requests

    asked = len(read_requests(requests))  # before the model is opened, which may take minutes
    async with opened_model(model, console) as connection:
        with console.status(f"0 of {asked:,} answered") as status:

            def told(done: int, failed: int) -> None:
                status.update(f"{done:,} of {asked:,} answered, {failed:,} failed")

            given = {"errors": errors, "concurrency": model.access.concurrency, "told": told, **asdict(settings)}
            return await abatch(requests, out, model=connection, **given)
