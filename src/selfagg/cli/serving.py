"""The commands around a model: serve, batch, mcp, models; and validate, which asks none."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from selfagg._internal.arguments import check_seconds
from selfagg._internal.blocking import heard_by
from selfagg._internal.extras import need
from selfagg.benchmarks.base import Selection
from selfagg.benchmarks.given import selected_set
from selfagg.benchmarks.validate import validate as validate_questions
from selfagg.cli.generate import command
from selfagg.cli.options import CodeOptions, MethodChoice, ModelChoice
from selfagg.cli.work import Stopped, command_line, opened_model, prepare_code, run_opened
from selfagg.errors import UsageError
from selfagg.methods import method_named
from selfagg.models import Access, available_models, connect
from selfagg.prompts.prompt import candidate_format_named
from selfagg.run.engine import Settings
from selfagg.server.settings import RequestDefaults, ServeSettings
from selfagg.terminal import one_line, print_result

if TYPE_CHECKING:
    from selfagg.server.batch import BatchResult


@command
def serve(
    *,
    model: ModelChoice,
    settings: ServeSettings,
    host: str = "127.0.0.1",
    port: int = 8080,
    client_keys: Path | None = None,
    grace: int = 30,
) -> None:
    """Serve RSA to every OpenAI client: the same API, one base URL changed.

    Args:
        host: Address to listen at; any but this machine's own needs a key.
        port: Port; 0 takes a free one.
        client_keys: A file with the API keys of which a client must have one, one a line (default: SELFAGG_API_KEYS,
            separated by commas).
        grace: Seconds that open requests get when the server stops.
    """
    from selfagg.server.settings import check_address, read_keys
    from selfagg.server.start import access_of, run

    if not 0 <= port <= 65535:
        raise UsageError(f"port is {port}, but it must be from 0 to 65535")
    check_seconds(grace=grace)
    candidate_format_named(settings.candidate)
    method_named(settings.method, **settings.rsa)
    settings = replace(settings, keys=read_keys(client_keys))
    check_address(host, settings)
    connection = connect(model.model, access_of(model.access))
    run(connection, settings, host=host, port=port, grace_s=grace, concurrency=model.access.concurrency)


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
    """
    try:
        done = asyncio.run(_answered(requests, out, errors, model, settings))
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
    requests: Path, out: Path, errors: Path | None, model: ModelChoice, settings: RequestDefaults
) -> BatchResult:
    from selfagg.server.batch import abatch, read_requests

    asked, console = len(read_requests(requests)), Console(stderr=True)  # before the model takes its minutes
    async with opened_model(model, console) as connection:
        with console.status(f"0 of {asked:,} answered") as status:

            def told(done: int, failed: int) -> None:
                status.update(f"{done:,} of {asked:,} answered, {failed:,} failed")

            given = {"errors": errors, "concurrency": model.access.concurrency, "told": told, **asdict(settings)}
            return await abatch(requests, out, model=connection, **given)


@command
def mcp(*, model: ModelChoice, method: MethodChoice, settings: Settings) -> None:
    """Serve one tool, think_harder, on standard input and output; an agent starts this command itself."""
    need("mcp")
    from selfagg.integrations.mcp import think_server

    chosen = method.build()

    async def serve(**arguments: Any) -> None:
        await think_server(**arguments | {"method": chosen}).run_stdio_async()

    with heard_by(signal.SIG_DFL):  # a thread that waits for standard input would outlive a KeyboardInterrupt
        asyncio.run(run_opened(serve, model, settings, method.schedule, Console(stderr=True)))


@command
def models(
    *,
    base_url: list[str] | None = None,
    api_key_file: Path | None = None,
    header: list[str] | None = None,
    as_json: bool = False,
) -> None:
    """List the models that can be reached from here.

    Args:
        base_url: An OpenAI-compatible server (default: OPENAI_BASE_URL); several times.
        api_key_file: A file with its API key (default: OPENAI_API_KEY).
        header: A further header for it, NAME=VALUE, or NAME=@FILE for a secret; several times.
    """
    access = Access(base_urls=tuple(base_url or ()), api_key_file=api_key_file, headers=tuple(header or ()))
    print_result({"models": [asdict(model) for model in available_models(access)]}, _models, as_json=as_json)


def _models(found: Mapping[str, Any]) -> Any:
    table = Table("--model", "ready", "", box=None, pad_edge=False)
    for model in found["models"]:
        table.add_row(Text(model["name"], "bold"), "yes" if model["ready"] else "no", Text(model["note"]))
    return table


@command
def validate(source: str, *, questions: Selection, code: CodeOptions, as_json: bool = False) -> None:
    """Validate a benchmark: score its own gold answers, all of which must be right.

    Each is stated as it is and in another spelling, as a model might write it.
    Exit code 0 if they are, 1 if one is not or there was nothing to check. Programs run in the sandbox; of problems
    that come with tests but without a solution, the tests are unpacked and counted.

    """
    asked, console = selected_set(source, questions), Console(stderr=True)
    if any(question.gold for question in asked.questions):
        prepare_code(code, asked.questions, console)
    with console.status(f"validating {asked.count} ..."):
        found = asyncio.run(validate_questions(asked.questions))

    def told(found: Mapping[str, Any]) -> Text:
        return Text.assemble((asked.source, "bold"), *(f"\n{line}" for line in _validated(found)))

    print_result({"source": asked.source, **found.to_dict()}, told, as_json=as_json)
    if not found.valid:
        raise typer.Exit(1)


def _validated(found: Mapping[str, Any]) -> Iterator[str]:
    checked = found["right"] + len(found["failures"])
    yield f"right      {found['right']:,} of {checked:,} gold answers"
    if found["problems_with_tests"]:
        tests = f"{found['tests']:,} tests of {found['problems_with_tests']:,} problems"
        yield f"unpacked   {tests}; their solutions are not public, so none was run"
    unstated = found["unstated"] - found["problems_with_tests"]
    if unstated > 0:
        yield f"unstated   {unstated:,} questions come without a right answer: nothing was checked about them"
    if found["worded"]:
        named = ", ".join(found["worded"][:5]) + (", ..." if len(found["worded"]) > 5 else "")
        yield f"words      {len(found['worded']):,} gold answers are words: no others are right ({named})"
    for failure in found["failures"]:
        note = failure["note"] or f"scored {failure['score']}"
        yield f"FAILED     {failure['question']}: {one_line(note, 200)}; {one_line(failure['response'], 100)}"
    if not found["valid"] and not found["failures"]:
        yield "nothing was checked"
