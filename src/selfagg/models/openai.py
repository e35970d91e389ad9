"""Models behind any OpenAI-compatible server: vLLM, SGLang, llama.cpp, Ollama, hosted ones."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx2

from selfagg.errors import ModelError, UsageError
from selfagg.models import Access
from selfagg.models.base import Forwarded
from selfagg.models.limiter import Limiter
from selfagg.models.openai_discovery import Counter, estimate_tokens, look_up
from selfagg.models.openai_errors import Refusal
from selfagg.models.openai_server import NO_KEY, OFFICIAL_URL, Server, base_url, open_client, read_key
from selfagg.models.openai_stream import Assembly, Delta
from selfagg.models.openai_wire import Dialect, read_reply
from selfagg.models.retries import Passing, RetryPolicy, patient
from selfagg.types import Message, Reply, Request

CALLS_A_SERVER: Final = 256
"""Calls at once to a server that does not name its slots: as many as vLLM runs together by default; what a hosted
service does not take it refuses with 429, which is waited out."""
TIMEOUT_S: Final = 3600.0
_PATH: Final = "chat/completions"


def connect(name: str, access: Access) -> OpenAIModel:
    """The model that ``openai:NAME`` names."""
    if not name:
        raise UsageError("openai: names no model; write openai:NAME with the name that the server knows it by")
    return OpenAIModel(
        name,
        base_urls=access.base_urls,
        api_key=access.api_key,
        api_key_file=access.api_key_file,
        concurrency=access.concurrency,
        context=access.context,
        timeout_s=access.timeout_s or TIMEOUT_S,
        patience_s=access.patience_s,
        retries=access.retries,
    )


class OpenAIModel:
    """A model behind one or several base URLs of the OpenAI API (chat completions).

    Each call goes to the server with the fewest calls in flight; one that cannot be reached is avoided for a while.
    """

    def __init__(
        self,
        model: str,
        *,
        base_urls: Sequence[str] = (),
        api_key: str | None = None,
        api_key_file: Path | None = None,
        concurrency: int | None = None,
        context: int | None = None,
        timeout_s: float = TIMEOUT_S,
        patience_s: float | None = None,
        retries: RetryPolicy | None = None,
    ) -> None:
        """Names the model; nothing is reached before entering.

        Args:
            model: Its name at the server.
            base_urls: Where it is served, e.g. ``http://localhost:8000/v1``; the same model behind each. None
                given: OPENAI_BASE_URL, else the official address.
            api_key: Key for all of them. None: from the file, else OPENAI_API_KEY, else a placeholder.
            api_key_file: File that holds the key.
            concurrency: Calls at once; None: the slots of llama.cpp's server, else `CALLS_A_SERVER` each.
            context: Tokens that prompt and reply may have together; None: what the servers say (the smallest).
            timeout_s: Longest wait for one whole reply. Long by default, as a busy server on a small machine
                may take most of an hour for a reply of 8192 tokens.
            patience_s: Seconds to wait for a server that limits the rate, loads or is gone, while it answers nobody.
                300 by default.
            retries: When to try again, in place of ``patience_s``.

        Raises:
            UsageError: An address or the key cannot be one, or there is no key for the official address.
        """
        self.name = f"openai:{model}"
        self._model = model
        self._urls = list(
            dict.fromkeys(map(base_url, base_urls or [os.environ.get("OPENAI_BASE_URL") or OFFICIAL_URL]))
        )
        self._key = read_key(api_key, api_key_file)
        if self._key == NO_KEY and OFFICIAL_URL in self._urls:
            raise UsageError(f"{OFFICIAL_URL} needs an API key: set OPENAI_API_KEY, or name a key file or a base URL")
        self.concurrency = concurrency or CALLS_A_SERVER * len(self._urls)
        self.context = context
        self._given_concurrency, self._given_context = concurrency, context
        self._timeout_s = timeout_s
        self.limiter: Limiter[Server] = Limiter(retries or patient(patience_s))
        self._dialect = Dialect()
        self._proven = False
        self._counter: Counter | None = None
        self._http: httpx2.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"OpenAIModel({self._model!r}, base_urls={self._urls!r})"

    async def __aenter__(self) -> Self:
        """Reaches every server.

        Raises:
            UsageError: One cannot be reached, refuses the key or does not serve the model.
        """
        self._http = open_client()
        try:
            policy = self.limiter.policy
            servers = [
                Server(url, self._key, self._http, timeout_s=self._timeout_s, policy=policy) for url in self._urls
            ]
            facts = [
                await look_up(server, self._model, Limiter(policy, [server], self.limiter.listeners))
                for server in servers
            ]
        except BaseException:
            await self._http.aclose()
            raise
        self.limiter.servers = servers
        self._proven = all(fact.listed for fact in facts)
        self.concurrency = self._given_concurrency or sum(fact.slots or CALLS_A_SERVER for fact in facts)
        self.context = self._given_context or min((fact.context for fact in facts if fact.context), default=None)
        self._counter = facts[0].counter
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.limiter.servers = []
        if self._http:
            await self._http.aclose()

    async def sample(self, request: Request) -> Reply:
        """Samples one reply; see `Model.sample`. Cancelling closes the connection, so the server stops writing."""
        reply, tries = await self.limiter.run(lambda server: self._try(server, request))
        return replace(reply, tries=tries)

    async def _try(self, server: Server, request: Request) -> Reply:
        while True:
            body = self._dialect.body(self._model, request)
            start = time.perf_counter()
            try:
                answer = await server.post(_PATH, body)
            except Refusal as refusal:
                self._learn(refusal, request, body, server)
                continue
            reply = read_reply(answer, seconds=time.perf_counter() - start, verbatim=request.verbatim)
            self._proven = True
            return reply

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Samples one reply and hands it out as it is written; the last item is the whole `Reply`.

        Only the beginning is tried again: what was handed out cannot be taken back.

        Raises:
            ModelError: The call failed for good, or broke off.
            ContextOverflow: The prompt does not fit the model's context.
        """
        (server, events, first, start), tries = await self.limiter.run(lambda server: self._begin(server, request))
        assembly = Assembly(verbatim=request.verbatim)
        with server.pace.held():
            async with aclosing(events):
                try:
                    for delta in assembly.add(first):
                        yield delta
                    async for event in events:
                        for delta in assembly.add(event):
                            yield delta
                    for delta in assembly.rest():
                        yield delta
                    reply = assembly.reply(seconds=time.perf_counter() - start)
                except (Passing, Refusal) as error:
                    status = error.status
                    raise ModelError(f"the reply broke off: {error}", tries=tries, status=status) from None
        yield replace(reply, tries=tries)

    async def _begin(
        self, server: Server, request: Request
    ) -> tuple[Server, AsyncGenerator[object, None], object, float]:
        start = time.perf_counter()
        events = self._events(server, request)
        try:
            return server, events, await anext(events), start
        except StopAsyncIteration:
            raise Passing("the server sent an empty stream") from None

    async def _events(self, server: Server, request: Request) -> AsyncGenerator[object, None]:
        while True:
            body = self._dialect.body(self._model, request, stream=True)
            try:
                async with aclosing(server.events(_PATH, body)) as events:
                    async for event in events:
                        self._proven = True
                        yield event
                return
            except Refusal as refusal:
                self._learn(refusal, request, body, server)

    @asynccontextmanager
    async def forward(self, body: Mapping[str, Any], *, key: str | None = None) -> AsyncIterator[Forwarded]:
        """Sends a body as it is and gives the answer as it is; see `Forwards.forward`."""
        server = self.limiter.least_busy()
        try:
            with server.pace.held():
                async with server.forward(_PATH, {**body, "model": self._model}, key) as answer:
                    yield answer
        except Passing as lost:
            raise lost.final() from None

    def _learn(self, refusal: Refusal, request: Request, body: dict[str, object], server: Server) -> None:
        """Returns if the call is worth sending again in other words, raises what it means otherwise."""
        if not self._dialect.learn(refusal, request, body):
            raise refusal.error(server.url, proven=self._proven) from None

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of this conversation as a prompt.

        Exact where vLLM or llama.cpp serves it (one small exchange); elsewhere, and where the server does not
        answer, `estimate_tokens`.
        """
        if self._counter:
            server = self.limiter.least_busy()
            try:
                return await self._counter(server, messages)
            except (Refusal, Passing):
                pass
        return estimate_tokens(messages)
