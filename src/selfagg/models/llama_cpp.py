"""llama.cpp in this process: the embedded default model, or any GGUF file."""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import json
import os
import secrets
import signal
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path, PurePath
from typing import Any, Final, Self
from urllib.parse import urlsplit
from weakref import WeakSet

from selfagg._internal.machine import cores, memory
from selfagg.errors import ModelError, UsageError
from selfagg.models import Access
from selfagg.models.base import Forwarded
from selfagg.models.openai.model import OpenAIModel
from selfagg.models.pace import RetryPolicy
from selfagg.models.weights import find_adapter, find_weights, read_gguf
from selfagg.types import Delta, Message, Reply, Request

SLOTS: Final = 16
"""Calls at once where nobody says otherwise: the paper's population."""
CONTEXT: Final = 8192
"""Tokens a call may have where nobody says otherwise, or the model's trained context where that is less. The same
on every machine, since prompts are cut to it: only the number of slots follows the memory."""
_NAME: Final = "local"
_PATH: Final = "chat/completions"
_GENERATING: Final = (_PATH, "responses", "messages", "completions")
_PATIENCE_S: Final = 86_400.0  # a slow machine is no reason to give up: nobody else's turn is taken
_COUNTS: Final = 8  # conversations counted at once: each takes one of llama.cpp's connections
_REST_S: Final = 60.0
_open: WeakSet[Llama] = WeakSet()


def connect(spec: str, access: Access) -> LocalModel:
    """Return the model that ``local``, ``local:PATH.gguf`` or ``local:hf:REPOSITORY[:FILE]`` names.

    ``local:NAME,lora=FILE.gguf`` adds a LoRA adapter; NAME may be empty or ``smollm2``: the embedded model.
    """
    return LocalModel(spec, concurrency=access.concurrency, context=access.context)


class LocalModel:
    """A GGUF model on llama.cpp, batched continuously over parallel slots.

    Replies are sampled by llama.cpp's server, which runs in this process and listens on the loopback interface with
    a key of its own. Each slot keeps the prompt it had last: what the next prompt shares with it from the beginning
    is not computed again. The whole distribution is sampled unless ``top_p`` or ``extra_body`` cuts it; with
    ``server_defaults`` llama.cpp's own values do (top_k 40, top_p 0.95, min_p 0.05). The same seed gives the same reply
    only where nothing else runs beside it, since the batch a token is computed in changes its last bits.
    """

    def __init__(self, spec: str = "", *, concurrency: int | None = None, context: int | None = None) -> None:
        """Name the model; nothing is loaded before entering.

        Args:
            spec: ``""``: the embedded SmolLM2-135M-Instruct; else a path, or ``hf:REPOSITORY[:FILE]`` (without
                FILE: the repository's version in about 4 bits). ``,lora=FILE.gguf`` behind it adds an adapter.
            concurrency: Most calls at once; None: 16. Fewer where half of the machine's memory does not hold
                their caches. Further calls wait.
            context: Tokens that prompt and reply may have together, rounded up to a multiple of 256; None: the
                model's trained context, but no more than 8192.
        """
        weights, _, self._adapter = f",{spec}".partition(",lora=")
        self._weights = "" if weights == ",smollm2" else weights.removeprefix(",")
        # no folders in records: they are the user's own affair
        named = self._weights if self._weights.startswith("hf:") else PurePath(self._weights).name
        adapted = f",lora={PurePath(self._adapter).name}" if self._adapter else ""
        self.name = f"local:{named or 'smollm2' if adapted else named}{adapted}".rstrip(":")
        self.concurrency = concurrency or SLOTS
        self.context = context
        self._spec, self._given_concurrency, self._given_context = spec, concurrency, context
        self._llama: Llama | None = None
        self._calls: set[asyncio.Task[Any] | None] = set()
        self._free = asyncio.Semaphore(self.concurrency)
        self._counting = asyncio.Semaphore(_COUNTS)

    def __repr__(self) -> str:
        return f"LocalModel({self._spec!r})"

    async def __aenter__(self) -> Self:
        llama = await asyncio.to_thread(self._load)
        # llama.cpp closes after each stream without having said so: so each call has a connection of its own
        settings: dict[str, Any] = {"headers": ["Connection=close"], "timeout_s": _PATIENCE_S}
        once = RetryPolicy(tries=1, patience_s=0.0)
        server = OpenAIModel(_NAME, base_urls=[llama.url], api_key=llama.key, retries=once, **settings)
        try:
            await server.__aenter__()
        except BaseException:
            await asyncio.to_thread(llama.close)
            raise
        self._llama, self._server = llama, server
        self.concurrency, self.context = llama.slots, server.context
        self._free = asyncio.Semaphore(self.concurrency)
        return self

    def _load(self) -> Llama:
        import_xllamacpp()  # before a download that would be for nothing
        adapter = find_adapter(self._adapter) if self._adapter else None
        weights = find_weights(self._weights)
        return Llama(weights, adapter=adapter, slots=self._given_concurrency, context=self._given_context)

    async def __aexit__(self, *exception: object) -> None:
        """Free the model; calls still running are cancelled."""
        llama, self._llama = self._llama, None
        if llama is None:
            return
        calls = [call for call in self._calls if call and call is not asyncio.current_task()]
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await self._server.__aexit__()
        await asyncio.to_thread(llama.close)

    async def sample(self, request: Request) -> Reply:
        """Sample one reply; see `Model.sample`.

        Cancelling stops the generation with its next token, or while it reads the prompt, within 512 tokens.

        Where llama.cpp hands out several tokens together (the bytes of one character, the possible beginning of
        a stop string), it tells the log-probability of the last one alone; the token that ends a reply has none.
        """
        async with aclosing(self.stream(request)) as items:  # a whole reply would be written to its end unheard
            reply = [item async for item in items][-1]
        assert isinstance(reply, Reply)  # noqa: S101 - what `stream` promises
        return reply

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        sampling = request.sampling
        # llama.cpp sees that nobody listens when it writes: so it also tells how far it has read the prompt
        fields: dict[str, Any] = {"return_progress": True}
        if sampling.logprobs:
            fields["top_logprobs"] = 1  # 0 would give none at all
        if sampling.reasoning_effort:
            fields["chat_template_kwargs"] = {"reasoning_effort": sampling.reasoning_effort}
        sent = replace(request, sampling=replace(sampling, extra_body=fields | dict(sampling.extra_body)))
        async with self._slot(self._free), aclosing(self._server.stream(sent)) as items:
            async for item in items:
                yield item

    @asynccontextmanager
    async def forward(
        self, body: Mapping[str, Any] | None, *, path: str = _PATH, **request: Any
    ) -> AsyncIterator[Forwarded]:
        """Send a body to llama.cpp as it is and give the answer as it is; see `Forwards.forward`."""
        generates = path in _GENERATING
        sent = {**(body or {}), "model": _NAME} if generates or (body and "model" in body) else body
        slot = self._slot(self._free if generates else self._counting)
        async with slot, self._server.forward(sent, path=path, **request | {"key": None}) as answer:
            yield answer

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        async with self._slot(self._counting):
            return await self._server.count_tokens(messages)

    @asynccontextmanager
    async def _slot(self, free: asyncio.Semaphore) -> AsyncIterator[None]:
        """Keep a place for one call; note its task, so that leaving can end it."""
        if self._llama is None:
            raise RuntimeError("the model is used outside of its `async with`")
        task = asyncio.current_task()
        self._calls.add(task)
        try:
            async with free:
                yield
        except ModelError as error:
            error.args = (str(error).replace(self._llama.url if self._llama else "", "llama.cpp"),)
            raise
        finally:
            self._calls.discard(task)


class Llama:
    """llama.cpp's server in this process: started without noise, without its signal handlers; ended by `close`.

    Attributes:
        url: Its address on the loopback interface, for whoever has
        key: its key, made up for this run.
        slots: Calls it works on at once; `fitting_slots` where memory sets the bound.
    """

    def __init__(self, weights: Path, *, slots: int | None, context: int | None, adapter: Path | None = None) -> None:
        """Load the weights; block until that is done.

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
        params.model_alias = {_NAME}
        params.n_parallel = self.slots
        params.n_ctx = self.slots * each  # divided evenly: a slot's speed then does not hang on the others' length
        params.n_batch = 512  # tokens of a prompt between two looks at whether its call still stands
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
        last, quiet = time.monotonic() + _REST_S, 0
        while server is not None and quiet < 2:  # looks in a row: between two calls that wait for a slot it is free
            if time.monotonic() > last:
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(server))
                return
            quiet = 0 if self._is_busy() else quiet + 1
            time.sleep(0.02)

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
    """Return the package `xllamacpp`, or raise `UsageError`."""
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
    handlers = {number: python.PyOS_getsig(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            python.PyOS_setsig(number, handler)
