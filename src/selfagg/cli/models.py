"""``selfagg models``: the models that can be called from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from selfagg.cli.generate import command
from selfagg.models import Access
from selfagg.terminal import print_result


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
        as_json: Print one JSON object on stdout.
    """
    from selfagg.models.available import available_models

    access = Access(base_urls=tuple(base_url or ()), api_key_file=api_key_file, headers=tuple(header or ()))
    print_result({"models": [asdict(model) for model in available_models(access)]}, _table, as_json=as_json)


def _table(found: Mapping[str, Any]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table("--model", "ready", "", box=None, pad_edge=False)
    for model in found["models"]:
        table.add_row(Text(model["name"], "bold"), "yes" if model["ready"] else "no", Text(model["note"]))
    return table
