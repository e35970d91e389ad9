"""The weights of a local model: in a package, in a file, or on the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from selfagg.errors import UsageError
from selfagg.models.llama_cpp.embedded import embedded_weights

_QUANTISATIONS = ("q4_k_m", "q4_k_xl", "q4_k_s", "q4_0", "q4_1", "q5_k_m", "q6_k", "q8_0", "iq4", "f16")
"""In order of preference: 4 bits first, the usual trade of speed and memory for quality."""
_PART = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")


TIMEOUT_S = 10.0
"""Seconds to wait for the hub's first word."""


def find_weights(spec: str) -> Path:
    """Find a model's file, downloading it where it is on the hub.

    Args:
        spec: ``""`` for the embedded model, a path, or ``hf:REPOSITORY[:FILE]``.

    Raises:
        UsageError: It is not there, or cannot be fetched; the text says what to do.
    """
    if not spec:
        return embedded_weights()
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
        from huggingface_hub import model_info, snapshot_download
        from huggingface_hub.errors import HFValidationError, RemoteEntryNotFoundError, RepositoryNotFoundError
    except ImportError:
        raise UsageError(
            f"fetching {repository} needs huggingface-hub: pip install 'selfagg[hub]', or download a GGUF file "
            "and write local:PATH.gguf"
        ) from None
    try:
        # Asked first, in any case: the download itself tries for half a minute before it calls the hub out of reach.
        names = [entry.rfilename for entry in model_info(repository, timeout=TIMEOUT_S).siblings or ()]
        if not file:
            found = choose_file(names)
            if found is None:
                raise UsageError(f"{repository} on the Hugging Face hub holds no GGUF file")
            file = found
        folder = Path(snapshot_download(repository, allow_patterns=_parts(file)))
    except RepositoryNotFoundError:
        raise UsageError(f"the Hugging Face hub has no repository {repository} that you may read") from None
    except RemoteEntryNotFoundError:
        raise UsageError(f"{repository} on the Hugging Face hub has no file {file}") from None
    except HFValidationError:
        raise UsageError(f"{repository!r} is not a repository's name; write local:hf:OWNER/NAME[:FILE]") from None
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        cached = _cached(repository, file)
        if cached:
            return cached
        raise UsageError(
            f"the Hugging Face hub cannot be reached for {repository} ({type(error).__name__}): download a GGUF "
            "file elsewhere and write local:PATH.gguf"
        ) from None
    path = folder / file
    if not path.is_file():
        raise UsageError(f"{repository} on the Hugging Face hub has no file {file}")
    return path


def _parts(file: str) -> list[str]:
    """Return all files of a model that is stored in parts; llama.cpp finds the others beside the first."""
    match = _PART.search(file)
    if not match:
        return [file]
    return [f"{file[: match.start()]}-{part:05}-of-{match[1]}.gguf" for part in range(1, int(match[1]) + 1)]


def _cached(repository: str, file: str) -> Path | None:
    """Return the file, or the one to choose, among those fetched earlier."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(repository, local_files_only=True))
    except (OSError, ValueError):
        return None
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.gguf")]
    name = file if file in names else None if file else choose_file(names)
    return folder / name if name else None
