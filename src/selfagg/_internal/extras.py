"""Optional packages, and the extra of selfagg that brings each of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from selfagg.errors import UsageError

_MODULES = {
    "eval": "numpy scipy statsmodels pandas pyarrow math_verify latex2sympy2_extended sympy mpmath reasoning_gym",
    "server": "fastapi starlette pydantic uvicorn prometheus_client",
    "plots": "matplotlib",
    "local": "xllamacpp",
    "hub": "huggingface_hub httpx2",
    "hf": "torch transformers accelerate gguf peft safetensors tokenizers jinja2",
    "train": "trl datasets",
    "vllm": "vllm",
    "ray": "ray",
    "mcp": "mcp",
}

EXTRAS = {module: extra for extra, modules in _MODULES.items() for module in modules.split()}
"""Top-level module -> extra."""


class Optional:
    """A module that is imported at its first use, so that modules which use it can be imported without its extra."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        with extras_named():
            return getattr(import_module(self._name), name)


def need(extra: str) -> None:
    """Raise UsageError if a package of an extra is missing: before a run is paid for, not at its end."""
    for module in _MODULES[extra].split():
        try:
            there = find_spec(module) is not None
        except ValueError:  # of a module that was set to None: it must not be imported
            there = False
        if not there:
            raise _missing(module)


def missing_extra(error: ModuleNotFoundError) -> UsageError | None:
    """Return an error that names the extra to install, or None if the module belongs to no extra."""
    module = (error.name or "").partition(".")[0]
    return _missing(module) if module in EXTRAS else None


def _missing(module: str) -> UsageError:
    return UsageError(f"this needs the package {module}: pip install 'selfagg[{EXTRAS[module]}]'")


@contextmanager
def extras_named() -> Iterator[None]:
    """Raise UsageError that names the extra where the block lacks an optional package."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise missing_extra(error) or error from None
