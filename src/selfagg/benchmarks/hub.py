"""A benchmark's files: the user's own copy, the Hugging Face hub or its cache, or the files of the paper's authors.

The authors' repository (arXiv 2509.26626, https://github.com/HyperPotatoNeo/RSA) holds a folder of parquet files for
each benchmark. For ``--data paper`` one archive of it is fetched, at a fixed commit, and its question files are kept in
the user's cache. A clone of the repository serves as well: ``--data CLONE``.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import zlib
from pathlib import Path
from urllib.request import urlopen

from selfagg.benchmarks.base import Benchmark, HubSource
from selfagg.benchmarks.data_files import DataRow, data_files, read_rows
from selfagg.errors import UsageError

TIMEOUT = 10  # seconds that a server may take to answer at all

PAPER = Path("paper")
"""The value of ``--data`` that stands for the authors' files."""

COMMIT = "7a201268b71d0cbee20b9f93b00b62d5d5446e28"
ARCHIVE = f"https://codeload.github.com/HyperPotatoNeo/RSA/tar.gz/{COMMIT}"
_MOST_BYTES = 1 << 30


def benchmark_rows(name: str, hub: HubSource, data: Path | None) -> list[DataRow]:
    """Return all rows of a benchmark's files; see `benchmark_files`."""
    return [row for path in benchmark_files(name, hub, data) for row in read_rows(path)]


def benchmark_files(name: str, hub: HubSource, data: Path | None) -> list[Path]:
    """Return the files that hold a benchmark's rows: on the hub, in its cache, or where ``data`` says.

    A folder may hold the files as they are called on the hub; else see `data_files`.

    Raises:
        UsageError: The path has no such files, or the hub cannot be reached and its cache does not have them.
    """
    if data is None:
        return _hub_files(name, hub)
    as_on_hub = [data / file for file in hub.files]
    if as_on_hub and all(path.is_file() for path in as_on_hub):
        return as_on_hub
    return data_files(data, name)


def _hub_files(name: str, hub: HubSource) -> list[Path]:
    try:
        from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
    except ImportError as error:
        raise UsageError(
            f"loading {name} from the Hugging Face hub needs the package huggingface-hub "
            f"(pip install 'selfagg[hub]'); or give a local copy of {hub.repo} with --data PATH"
        ) from error
    found = []
    try:
        if not hub.files:
            newest = HfApi().dataset_info(hub.repo)
            names = sorted(file.rfilename for file in newest.siblings or () if file.rfilename.endswith(".parquet"))
            hub = HubSource(hub.repo, newest.sha or hub.revision, tuple(names))
        for file in hub.files:
            path = try_to_load_from_cache(hub.repo, file, revision=hub.revision, repo_type="dataset")
            if not isinstance(path, str):
                # Asked first because the download tries for half a minute before it calls the hub out of reach.
                url = hf_hub_url(hub.repo, file, revision=hub.revision, repo_type="dataset")
                get_hf_file_metadata(url, timeout=TIMEOUT)
                path = hf_hub_download(hub.repo, file, revision=hub.revision, repo_type="dataset")
            found.append(Path(path))
    except Exception as error:  # which errors it raises differs by version (requests, httpx, its own)
        raise UsageError(
            f"{hub.repo} can be had neither from the Hugging Face hub nor from its cache "
            f"({type(error).__name__}); give a local copy of {name} with --data PATH"
        ) from error
    return found


def paper_data(benchmark: Benchmark, data: Path | None) -> Path | None:
    """Return the file or folder to read a benchmark from; for ``paper`` the authors' repository in the cache.

    A file or folder called ``paper`` in the working directory comes first. None stands for the hub.

    Raises:
        UsageError: The authors have no file of this benchmark, or it can be had neither from the network nor the cache.
    """
    if data != PAPER or data.exists():
        return data
    if benchmark.paper == "hub":
        return None
    if benchmark.paper is None:
        raise UsageError(f"the paper's authors publish no questions of {benchmark.name}: leave --data paper out")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "selfagg" / f"paper-{COMMIT[:12]}"
    if not cache.is_dir():
        _fetch(benchmark.name, cache)
    return cache


def _fetch(name: str, cache: Path) -> None:
    """Keep the question files of all benchmarks in the cache: all of them or, if anything fails, none."""
    partial = cache.with_name(f"{cache.name}.partial-{os.getpid()}")
    left = _MOST_BYTES
    try:
        with urlopen(ARCHIVE, timeout=TIMEOUT) as reply, tarfile.open(fileobj=reply, mode="r|gz") as archive:
            for member in archive:
                inside = Path(member.name.partition("/")[2])  # without the archive's own folder
                wanted = inside.parts[:1] == ("data",) and inside.suffix == ".parquet" and ".." not in inside.parts
                if member.isreg() and wanted:
                    if (left := left - member.size) < 0:
                        raise OSError("its files unpack to too much")
                    (partial / inside).parent.mkdir(parents=True, exist_ok=True)
                    (partial / inside).write_bytes(archive.extractfile(member).read())  # type: ignore[union-attr]
        if partial.exists() and not cache.exists():
            partial.rename(cache)
    except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
        raise UsageError(
            f"the authors' files of {name} can be had neither from {ARCHIVE} nor from the cache ({error}); "
            "name a clone of their repository, or a folder of such files, with --data PATH"
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
