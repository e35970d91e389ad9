"""``selfagg serve``: the OpenAI API in front of a model, with RSA behind it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from selfagg.cli.generate import command
from selfagg.cli.options import ModelChoice
from selfagg.server.settings import ServeSettings


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
    from selfagg._internal.arguments import check_seconds
    from selfagg.errors import UsageError
    from selfagg.methods import method_named
    from selfagg.models import connect
    from selfagg.prompts.prompt import candidate_format_named
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
