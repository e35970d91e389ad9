"""llama.cpp in this process: the embedded default model, or any GGUF file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePath
from types import TracebackType
from typing import Any, Final, Self

from selfagg.errors import ContextOverflow, ModelError
from selfagg.models import Access
from selfagg.models.base import Forwarded
from selfagg.models.limiter import Limiter
from selfagg.models.llama_cpp.server import NAME, SLOTS, Llama, import_xllamacpp
from selfagg.models.llama_cpp.weights import find_adapter, find_weights
from selfagg.models.openai.address import read_address
from selfagg.models.openai.assembly import Delta, ReplyAssembly
from selfagg.models.openai.client import Server
from selfagg.models.openai.credentials import Credentials
from selfagg.models.openai.discovery import ONCE, look_up
from selfagg.models.openai.profile import Profile
from selfagg.models.openai.refusal import Refusal
from selfagg.models.openai.wire import mapping
from selfagg.models.retries import TransientError
from selfagg.types import Message, Reply, Request

_PATH: Final = "chat/completions"
_GENERATING: Final = (_PATH, "responses", "messages", "completions")
_PATIENCE_S: Final = 86_400.0  # a slow machine is no reason to give up: nobody else's turn is taken
_NEUTRAL: Final = {"top_p": 1.0, "top_k": 0, "min_p": 0.0}  # what llama.cpp cuts where it is not told otherwise
_COUNTS: Final = 8  # conversations counted at once: each takes one of llama.cpp's connections


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
        self.name = _name(spec)
        self.concurrency = concurrency or SLOTS
        self.context = context
        self._spec = spec
        self._weights, self._adapter = _split(spec)
        self._given_concurrency, self._given_context = concurrency, context
        self._running: _Running | None = None
        self._calls: set[asyncio.Task[Any] | None] = set()
        self._free = asyncio.Semaphore(self.concurrency)
        self._counting = asyncio.Semaphore(_COUNTS)

    def __repr__(self) -> str:
        return f"LocalModel({self._spec!r})"

    async def __aenter__(self) -> Self:
        """Find (or fetch) the weights and load them.

        Raises:
            UsageError: Something is not installed, or the weights cannot be found or loaded.
        """
        llama = await asyncio.to_thread(self._load)
        # llama.cpp closes after each stream without having said so
        keys = Credentials(llama.key, None)
        server = Server(read_address(llama.url), keys, timeout_s=_PATIENCE_S, keep_connections=False)
        server.open()
        try:
            facts = await look_up(server, NAME, Limiter(ONCE, [server]))
        except BaseException:
            await server.close()
            await asyncio.to_thread(llama.close)
            raise
        self._running = _Running(llama, server)
        self.concurrency, self.context = llama.slots, facts.context
        self._free = asyncio.Semaphore(self.concurrency)
        return self

    def _load(self) -> Llama:
        import_xllamacpp()  # before a download that would be for nothing
        adapter = find_adapter(self._adapter) if self._adapter else None
        weights = find_weights(self._weights)
        return Llama(weights, adapter=adapter, slots=self._given_concurrency, context=self._given_context)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the model; calls still running are cancelled."""
        running, self._running = self._running, None
        if running is None:
            return
        calls = [call for call in self._calls if call and call is not asyncio.current_task()]
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await running.server.close()
        await asyncio.to_thread(running.llama.close)

    async def sample(self, request: Request) -> Reply:
        """Sample one reply; see `Model.sample`.

        Cancelling stops the generation with its next token, or while it reads the prompt, within 512 tokens.

        Where llama.cpp hands out several tokens together (the bytes of one character, the possible beginning of
        a stop string), it tells the log-probability of the last one alone; the token that ends a reply has none.
        """
        async with aclosing(self.stream(request)) as items:
            reply = [item async for item in items][-1]
        assert isinstance(reply, Reply)  # noqa: S101 - what `stream` promises
        return reply

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Sample one reply and hand it out as it is written; the last item is the whole `Reply`.

        Raises:
            ModelError: The call failed.
            ContextOverflow: The prompt does not fit the model's context.
        """
        assembly = ReplyAssembly(verbatim=request.verbatim)
        async with self._slot():
            start = time.perf_counter()
            events = self._server().events(_PATH, _body(request), lambda: assembly.whole)
            with _failures():
                async with aclosing(events):
                    async for event in events:
                        for delta in assembly.add(event):
                            yield delta
                for delta in assembly.rest():
                    yield delta
                yield assembly.reply(seconds=time.perf_counter() - start)

    @asynccontextmanager
    async def forward(
        self,
        body: Mapping[str, Any] | None,
        *,
        key: str | None = None,
        path: str = _PATH,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Forwarded]:
        """Send a body to llama.cpp as it is and give the answer as it is; see `Forwards.forward`."""
        sent = {**(body or {}), "model": NAME} if path in _GENERATING or (body and "model" in body) else body
        async with self._slot() if path in _GENERATING else self._counting:
            with _failures():
                async with self._server().forward(path, sent, None, method=method, headers=headers) as answer:
                    yield answer

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return tokens of this conversation as a prompt, exactly: by the model's own chat template and tokenizer."""
        body = {"messages": [dict(message) for message in messages]}
        async with self._counting:
            with _failures():
                answer = await self._server().post(f"{_PATH}/input_tokens", body)
        return int(mapping(answer)["input_tokens"])

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Wait for a free slot and keep it; the task is noted, so that leaving can end it."""
        task = asyncio.current_task()
        self._calls.add(task)
        try:
            async with self._free:
                yield
        finally:
            self._calls.discard(task)

    def _server(self) -> Server:
        if self._running is None:
            raise RuntimeError("the model is used outside of its `async with`")
        return self._running.server


@dataclass(frozen=True, slots=True)
class _Running:
    """The objects that exist between entering and leaving a model."""

    llama: Llama
    server: Server


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what can go wrong in an exchange with llama.cpp into a ModelError: nothing of it passes by itself."""
    try:
        yield
    except Refusal as refusal:
        words = f"llama.cpp refused the call: {refusal.message}"
        raise (ContextOverflow(words) if refusal.overflow else ModelError(words, status=refusal.status)) from None
    except TransientError as lost:
        raise ModelError(f"llama.cpp broke the call off: {lost}") from None


def _split(spec: str) -> tuple[str, str]:
    """Return the name of the weights, and the adapter's file or ``""``."""
    weights, _, adapter = f",{spec}".partition(",lora=")
    weights = weights.removeprefix(",")
    return "" if weights == "smollm2" else weights, adapter


def _name(spec: str) -> str:
    """Return the model's name in records: no folders, which are the user's own affair."""
    weights, adapter = _split(spec)
    named = weights if weights.startswith("hf:") else PurePath(weights).name
    return f"local:{named}{f',lora={PurePath(adapter).name}' if adapter else ''}".rstrip(":")


def _body(request: Request) -> dict[str, Any]:
    """Return the request in llama.cpp's words; what the user put into ``extra_body`` goes before all else.

    It is streamed, as a call for a whole reply would run to its end whether anybody waited for it or not.
    Signs of life while the prompt is read are asked for, since llama.cpp sees that nobody listens when it writes.
    """
    sampling = request.sampling
    fields: dict[str, Any] = {"return_progress": True}
    if not sampling.server_defaults:
        fields |= _NEUTRAL
    if sampling.logprobs:
        fields["top_logprobs"] = 1  # 0 would give none at all
    if sampling.reasoning_effort:
        fields["chat_template_kwargs"] = {"reasoning_effort": sampling.reasoning_effort}
    request = replace(request, sampling=replace(sampling, server_defaults=True))
    return fields | Profile().body(NAME, request, stream=True)
