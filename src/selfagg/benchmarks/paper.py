"""The authors' own question files: ``--data paper`` (arXiv 2509.26626, https://github.com/HyperPotatoNeo/RSA).

The repository holds a folder of parquet files for each benchmark. One archive of it is fetched, at a fixed commit, and
its question files are kept in the user's cache. A clone of the repository serves as well: ``--data CLONE``.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import tarfile
import urllib.request
from pathlib import Path, PurePosixPath

from selfagg.benchmarks.hub import TIMEOUT
from selfagg.errors import UsageError

PAPER = Path("paper")
"""The value of ``--data`` that stands for the authors' files."""

HELD = ("aime25", "hmmt25", "rg-games", "rg-cognition", "supergpqa")
"""The benchmarks whose questions the repository holds, each in a folder of that name (with ``_``) below ``data/``."""

COMMIT = "7a201268b71d0cbee20b9f93b00b62d5d5446e28"
ARCHIVE = f"https://codeload.github.com/HyperPotatoNeo/RSA/tar.gz/{COMMIT}"
_MOST_BYTES = 1 << 28
_NAME = re.compile(r"\w[\w.-]*")


def paper_data(name: str, data: Path | None) -> Path | None:
    """Return the file or folder to read a benchmark from; for ``paper`` the authors' repository in the cache.

    A file or folder called ``paper`` in the working directory comes first. The authors read LiveCodeBench from the hub:
    None stands for it.

    Raises:
        UsageError: The authors have no file of this benchmark, or it can be had neither from the network nor the cache.
    """
    if data != PAPER or data.exists():
        return data
    if name.startswith("livecodebench"):
        return None
    if name not in HELD:
        raise UsageError(f"the paper's authors publish no questions of {name}; they do of {', '.join(HELD)}")
    if not _cache().is_dir():
        _fetch(name)
    return _cache()


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "selfagg" / f"paper-{COMMIT[:12]}"


def _fetch(name: str) -> None:
    """Keep the question files of all benchmarks in the cache: all of them or, if anything fails, none."""
    cache = _cache()
    partial = cache.with_name(f"{cache.name}.partial-{os.getpid()}")
    try:
        with urllib.request.urlopen(ARCHIVE, timeout=TIMEOUT) as reply:
            files = _question_files(reply.read(_MOST_BYTES + 1))
        for path, content in files.items():
            (partial / path).parent.mkdir(parents=True, exist_ok=True)
            (partial / path).write_bytes(content)
        if files and not cache.exists():
            partial.rename(cache)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise UsageError(
            f"the authors' files of {name} can be had neither from {ARCHIVE} nor from the cache ({error}); "
            "name a clone of their repository, or a folder of such files, with --data PATH"
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _question_files(packed: bytes) -> dict[str, bytes]:
    """Return the parquet files below ``data/`` in an archive of the repository, by their paths.

    Only regular files of plain names are read.
    """
    if len(packed) > _MOST_BYTES:
        raise OSError(f"it has more than {_MOST_BYTES >> 20} MiB")
    found: dict[str, bytes] = {}
    left = 4 * _MOST_BYTES
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        for member in archive:
            _, *parts = PurePosixPath(member.name).parts or ("",)  # the first is the archive's own folder
            if not member.isreg() or parts[:1] != ["data"] or not _is_plain(parts):
                continue
            if (left := left - member.size) < 0:
                raise OSError("its files unpack to too much")
            content = archive.extractfile(member)
            assert content is not None  # noqa: S101 - a regular file has some
            found["/".join(parts)] = content.read()
    return found


def _is_plain(parts: list[str]) -> bool:
    return all(map(_NAME.fullmatch, parts)) and parts[-1].endswith(".parquet")
