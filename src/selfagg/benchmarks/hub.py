"""A benchmark's files: the user's own copy, the Hugging Face hub, or the hub's cache when offline."""

from __future__ import annotations

import stat
from pathlib import Path

from selfagg.benchmarks.base import HubSource
from selfagg.benchmarks.formats import READERS, form
from selfagg.errors import UsageError

TIMEOUT = 10
"""Seconds that the hub may take to answer at all."""


def benchmark_files(name: str, hub: HubSource, data: Path | None) -> list[Path]:
    """Return the files that hold a benchmark's rows: on the hub, in its cache, or where ``data`` says.

    A folder may hold the files as they are called on the hub; else see `data_files`.

    Raises:
        UsageError: The path has no such files, or the hub cannot be reached and its cache does not have them.
    """
    if data is None:
        return [_download(name, hub, file) for file in hub.files]
    as_on_hub = [data / file for file in hub.files]
    if all(path.is_file() for path in as_on_hub):
        return as_on_hub
    return data_files(data, name)


def data_files(path: Path, name: str | None = None) -> list[Path]:
    """Return the file itself, or a folder's data files in the order of their names.

    Args:
        path: A file or a folder.
        name: A benchmark: files of the folder whose names begin with it (``supergpqa_1.parquet``; ``-`` and
            ``_`` count as the same) are taken alone, if there are any. So are the files of folders called so, there
            or below ``data``, as in the paper's repository.

    Raises:
        UsageError: There is no such path, or the folder holds no data files.
    """
    try:
        if not stat.S_ISDIR(path.stat().st_mode):
            return [path]
        found = sorted(file for file in path.iterdir() if form(file) in READERS and file.is_file())
    except FileNotFoundError:
        raise UsageError(f"there is no file or folder {path}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if name and (inside := _in_folders(path, name)):
        return inside
    if not found:
        raise UsageError(f"the folder {path} holds no data files ({', '.join(READERS)})")
    own = [file for file in found if name and file.name.replace("_", "-").startswith(name)]
    return own or found


def _in_folders(path: Path, name: str) -> list[Path]:
    """Return the files of a benchmark's own folders; those called ``train`` alone where there are such."""
    folder = name.replace("-", "_")
    found = sorted({*path.glob(f"data/{folder}*/**/*.parquet"), *path.glob(f"{folder}*/**/*.parquet")})
    return [file for file in found if file.name.startswith("train")] or found


def _download(name: str, hub: HubSource, file: str) -> Path:
    try:
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
    except ImportError as error:
        raise UsageError(
            f"loading {name} from the Hugging Face hub needs the package huggingface-hub "
            f"(pip install 'selfagg[hub]'); or give a local copy of {hub.repo} with --data PATH"
        ) from error
    cached = try_to_load_from_cache(hub.repo, file, revision=hub.revision, repo_type="dataset")
    if isinstance(cached, str):
        return Path(cached)
    try:
        # Asked first because the download tries for half a minute before it calls the hub out of reach.
        url = hf_hub_url(hub.repo, file, revision=hub.revision, repo_type="dataset")
        get_hf_file_metadata(url, timeout=TIMEOUT)
        return Path(hf_hub_download(hub.repo, file, revision=hub.revision, repo_type="dataset"))
    except Exception as error:  # which errors it raises differs by version (requests, httpx, its own)
        raise UsageError(
            f"{hub.repo} can be had neither from the Hugging Face hub nor from its cache "
            f"({type(error).__name__} for {file}); give a local copy of {name} with --data PATH"
        ) from error
