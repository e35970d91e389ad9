"""``selfagg serve``: the OpenAI API in front of a model, with RSA behind it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selfagg.cli.options import Answer, Copy, ModelOptions, Sampled, StopRule, spread

if TYPE_CHECKING:
    from selfagg.server.settings import ServeSettings

KEYS_VARIABLE = "SELFAGG_API_KEYS"
SERVER, LIMITS = "Server", "Limits"


@spread
def serve(
    model: ModelOptions,
    host: Annotated[
        str, typer.Option(rich_help_panel=SERVER, help="Address to listen at; any but this machine's own needs a key.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, rich_help_panel=SERVER, help="Port; 0 takes a free one.")
    ] = 8080,
    client_keys: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=SERVER,
            help=f"A file with the API keys of which a client must have one, one a line (default: {KEYS_VARIABLE}, "
            "separated by commas).",
        ),
    ] = None,
    forward_key: Annotated[
        bool, typer.Option("--forward-key", rich_help_panel=SERVER, help="Plain calls go on with the client's own key.")
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option(rich_help_panel=SERVER, help="A file that keeps every deliberation, for selfagg report."),
    ] = None,
    grace: Annotated[
        int, typer.Option(min=0, rich_help_panel=SERVER, help="Seconds that open requests get when the server stops.")
    ] = 30,
    method: Annotated[
        str, typer.Option(rich_help_panel="Method", help="Where a request names none: rsa, single, majority, ...")
    ] = "rsa",
    n: Annotated[int, typer.Option("-n", min=1, rich_help_panel="Method", help="Members of a population.")] = 8,
    k: Annotated[int, typer.Option("-k", min=1, rich_help_panel="Method", help="Candidates of an aggregation.")] = 4,
    t: Annotated[int, typer.Option("-t", min=1, rich_help_panel="Method", help="Populations, the first included.")] = 3,
    stop: StopRule = None,
    copy: Copy = False,
    answer: Answer = None,
    candidate: Annotated[
        str, typer.Option(rich_help_panel="Method", help="What of a candidate is shown: response, reasoning, ...")
    ] = "response",
    sampling: Sampled = "neutral",
    max_n: Annotated[int, typer.Option(min=1, rich_help_panel=LIMITS, help="Largest N of a request.")] = 64,
    max_k: Annotated[int, typer.Option(min=1, rich_help_panel=LIMITS, help="Largest K of a request.")] = 16,
    max_t: Annotated[int, typer.Option(min=1, rich_help_panel=LIMITS, help="Largest T of a request.")] = 32,
    max_requests: Annotated[
        int, typer.Option(min=1, rich_help_panel=LIMITS, help="Open requests, waiting ones included; past it 429.")
    ] = 4096,
    max_body_mb: Annotated[
        int, typer.Option(min=1, rich_help_panel=LIMITS, help="Largest request body, in megabytes.")
    ] = 32,
) -> None:
    """Serve RSA to every OpenAI client: the same API, one base URL changed."""
    from selfagg.methods import method_named
    from selfagg.models import connect
    from selfagg.prompts.candidates import view_named
    from selfagg.server.settings import Limits, ServeSettings
    from selfagg.server.start import access_of, run

    view_named(candidate)
    own = ServeSettings()
    adaptive: dict[str, Any] = {"stop": stop or own.stop, "copy": copy or own.copy}
    method_named(method, **({"n": n, "k": k, "t": t, **adaptive} if method == "rsa" else {}))
    settings = ServeSettings(
        method=method,
        n=n,
        k=k,
        t=t,
        **adaptive,
        answer=answer or own.answer,
        candidate=candidate,
        server_defaults=sampling == "server",
        limits=Limits(max_n, max_k, max_t, max_requests, max_body_mb * 2**20),
        keys=read_keys(client_keys),
        forward_key=forward_key,
        record=record,
    )
    check_address(host, settings)
    connection = connect(model.model, access_of(model.access()))
    run(connection, settings, host=host, port=port, grace_s=grace, concurrency=model.concurrency)


def read_keys(file: Path | None) -> tuple[str, ...]:
    """The keys that clients must have, from a file or the environment; none: no key is asked for.

    Raises:
        UsageError: The file cannot be read, or holds no key.
    """
    from selfagg.errors import UsageError

    if file is None:
        return _checked(os.environ.get(KEYS_VARIABLE, "").split(","), KEYS_VARIABLE)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        raise UsageError(f"cannot read the client keys {file}: {why}") from None
    keys = _checked([line for line in lines if not line.startswith("#")], str(file))
    if not keys:
        raise UsageError(f"the file of client keys {file} holds none")
    return keys


def _checked(keys: Sequence[str], where: str) -> tuple[str, ...]:
    from selfagg.errors import UsageError

    found = tuple(key.strip() for key in keys if key.strip())
    for number, key in enumerate(found, 1):
        if not key.isascii() or not key.isprintable() or " " in key:
            raise UsageError(f"{where}: key {number} holds characters that no header can carry")
    return found


def check_address(host: str, settings: ServeSettings) -> None:
    """An open door only for this machine itself.

    Raises:
        UsageError: Others could reach the server without a key.
    """
    from selfagg.errors import UsageError
    from selfagg.server.access import is_loopback

    if not is_loopback(host) and not settings.keys:
        raise UsageError(
            f"--host {host} can be reached by others: name keys with --client-keys FILE or in {KEYS_VARIABLE}"
        )
