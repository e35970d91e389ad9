"""A benchmark's files: the user's own copy, the Hugging Face hub, or the hub's cache when offline."""

from __future__ import annotations

from pathlib import Path

from selfagg.benchmarks.base import HubSource
from selfagg.errors import UsageError

SUFFIXES = (".jsonl", ".json", ".parquet")


def benchmark_files(name: str, hub: HubSource, data: Path | None) -> list[Path]:
    """The files that hold a benchmark's rows.

    In a folder these are the files called as on the hub, else those whose names begin with the benchmark's
    (``supergpqa_1.parquet``; ``-`` and ``_`` are the same), else every data file, in the order of their names.

    Args:
        name: The benchmark's name.
        hub: Where its files lie on the hub.
        data: A local file or folder to read instead, or None.

    Raises:
        UsageError: The path has no such files, or the hub cannot be reached and its cache does not have them.
    """
    if data is None:
        return [_download(name, hub, file) for file in hub.files]
    if data.is_file():
        return [data]
    if not data.is_dir():
        raise UsageError(f"There is no file or folder {data}.")
    as_on_hub = [data / file for file in hub.files]
    if all(path.is_file() for path in as_on_hub):
        return as_on_hub
    everything = sorted(path for path in data.iterdir() if path.suffix in SUFFIXES and path.is_file())
    own = [path for path in everything if path.name.replace("_", "-").startswith(name)]
    if not everything:
        raise UsageError(f"The folder {data} holds no data files ({', '.join(SUFFIXES)}).")
    return own or everything


def _download(name: str, hub: HubSource, file: str) -> Path:
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise UsageError(
            f"Loading {name} from the Hugging Face hub needs the package huggingface-hub "
            f"(pip install 'selfagg[hub]'); or give a local copy of {hub.repo} with --data PATH."
        ) from error
    try:
        return Path(
            hf_hub_download(hub.repo, file, revision=hub.revision, repo_type="dataset", etag_timeout=10)
        )
    except Exception as error:  # which errors it raises differs by version (requests, httpx, its own)
        raise UsageError(
            f"{file} of the dataset {hub.repo} can be had neither from the Hugging Face hub nor from its cache "
            f"({type(error).__name__}); give a local copy with --data PATH."
        ) from error
