"""llama.cpp's server in this process: started without noise, without its signal handlers, ended without a trace."""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from weakref import WeakSet

from selfagg._internal.machine import cores, memory
from selfagg.errors import UsageError
from selfagg.models.llama_cpp.gguf import read_gguf

SLOTS: Final = 16
"""Calls at once where nobody says otherwise: the paper's population."""
CONTEXT: Final = 8192
"""Tokens a call may have where nobody says otherwise, or the model's trained context where that is less. The same
on every machine, since prompts are cut to it: only the number of slots follows the memory."""
NAME: Final = "local"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_REST_S: Final = 60.0
_PROMPT_STEP: Final = 512  # tokens of a prompt between two looks at whether its call still stands

_open: WeakSet[Llama] = WeakSet()


class Llama:
    """A running server; it ends with `close`.

    Attributes:
        url: Its address on the loopback interface, for whoever has
        key: its key, made up for this run.
        slots: Calls it works on at once; `fitting_slots` where memory sets the bound.
    """

    def __init__(self, weights: Path, *, slots: int | None, context: int | None, adapter: Path | None = None) -> None:
        """Load the weights; block until that is done.

        Args:
            weights: A GGUF file.
            slots: Most calls at once; fewer where memory does not hold the cache of so many.
            context: Tokens of prompt and reply of one call; each slot has memory for that many.
            adapter: The GGUF file of a LoRA adapter, or None.

        Raises:
            UsageError: xllamacpp is not installed, or the file or the context cannot be used.
        """
        xllamacpp = import_xllamacpp()
        header = read_gguf(weights)
        if context is not None and not 0 < context <= header.context:
            raise UsageError(f"a context of {context} tokens: {weights.name} was trained on up to {header.context}")
        each = context or min(header.context, CONTEXT)
        self.slots = fitting_slots(slots or SLOTS, cache=each * header.cache_bytes, weights=header.size)
        self.key = secrets.token_urlsafe(24)
        params = xllamacpp.CommonParams()
        params.model.path = str(weights)
        if adapter:
            found = xllamacpp.CommonAdapterLoraInfo()
            found.path, found.scale = str(adapter), 1.0
            params.lora_adapters = [found]
        params.model_alias = {NAME}
        params.n_parallel = self.slots
        params.n_ctx = self.slots * each  # divided evenly: a slot's speed then does not hang on the others' length
        params.n_batch = _PROMPT_STEP
        params.cache_ram_mib = 0  # each slot keeps its last prompt; a second store of up to 8 GiB gained nothing
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = cores()
        params.n_threads_http = 2 * self.slots + 8  # an idle connection holds a thread for some seconds
        params.sse_ping_interval = 1  # seconds; how long a call may go on unnoticed that nobody waits for
        params.api_keys = [self.key]
        params.ui = False
        params.verbosity = -1
        try:
            with _signal_handlers_kept():
                self._server: Any = xllamacpp.Server(params)
        except RuntimeError:
            named = f"{weights} with {adapter}" if adapter else weights
            raise UsageError(
                f"llama.cpp cannot load {named}: the file is broken, its kind of model is unknown to this "
                "version, or memory does not suffice"
            ) from None
        self.url = f"{self._server.listening_address}/v1"
        _open.add(self)

    def close(self) -> None:
        """End the server and free its memory; block for a moment. Call this when no call is left.

        llama.cpp notices with a delay that a call was given up, and hangs if it is ended before: hence the wait.
        A server that is still at work after a minute is left to the end of the process.
        """
        server, self._server = self._server, None
        if server is not None and not self._comes_to_rest():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(server))

    def _comes_to_rest(self) -> bool:
        last, quiet = time.monotonic() + _REST_S, 0
        while quiet < 2:  # looks in a row: between two calls that wait for the same slot it is free
            if time.monotonic() > last:
                return False
            quiet = 0 if self._is_busy() else quiet + 1
            time.sleep(0.02)
        return True

    def _is_busy(self) -> bool:
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=_REST_S)
        try:
            connection.request("GET", "/slots", headers={"Authorization": f"Bearer {self.key}"})
            return any(slot["is_processing"] for slot in json.load(connection.getresponse()))
        except (OSError, HTTPException, ValueError):
            return True
        finally:
            connection.close()


@atexit.register
def _close_all() -> None:
    """End what nobody closed: threads at work while the process ends would crash it."""
    for llama in list(_open):
        llama.close()


def fitting_slots(wanted: int, *, cache: int, weights: int) -> int:
    """Return the number of slots of ``cache`` bytes that half of the memory holds beside the weights; at least one."""
    return max(1, min(wanted, (memory() // 2 - weights) // max(1, cache)))


def import_xllamacpp() -> Any:
    """Return the package `xllamacpp`.

    Raises:
        UsageError: It is not installed, or does not run on this system.
    """
    # OpenMP's threads spin between two steps unless told not to, which slows everything else on a busy machine.
    # It reads the variable once, when it is loaded; nobody else needs to see it.
    added = "OMP_WAIT_POLICY" not in os.environ
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        import xllamacpp  # type: ignore[import-untyped]
    except ImportError as error:
        raise UsageError(f"the local model needs xllamacpp ({error}): pip install 'selfagg[local]'") from None
    finally:
        if added:
            del os.environ["OMP_WAIT_POLICY"]
    return xllamacpp


@contextmanager
def _signal_handlers_kept() -> Iterator[None]:
    """Take SIGINT and SIGTERM back from llama.cpp's server, so that Ctrl-C stays Python's.

    `signal.signal` could not do it: it works in the main thread only, and sees only handlers set through Python.
    """
    python = ctypes.pythonapi
    python.PyOS_getsig.restype = ctypes.c_void_p
    python.PyOS_setsig.restype = ctypes.c_void_p
    python.PyOS_setsig.argtypes = (ctypes.c_int, ctypes.c_void_p)
    handlers = {number: python.PyOS_getsig(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            python.PyOS_setsig(number, handler)
