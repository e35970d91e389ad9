"""The connection: the choice of a server for each call, and the reaction to its answer."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from selfagg.errors import ModelError, UsageError
from selfagg.models import Access
from selfagg.models.base import Forwarded
from selfagg.models.limiter import Limiter
from selfagg.models.openai.address import Address, Credentials, read_address
from selfagg.models.openai.client import Server
from selfagg.models.openai.discovery import ServedModel, counted_tokens, estimate_tokens, look_up
from selfagg.models.openai.profile import NEUTRAL, Profile
from selfagg.models.openai.refusal import Refusal
from selfagg.models.openai.wire import ReplyAssembly, Unfinished
from selfagg.models.pace import RetryPolicy, TransientError
from selfagg.types import Delta, Message, Reply, Request

OFFICIAL_URL: Final = "https://api.openai.com/v1"
CALLS_A_SERVER: Final = 256
"""Calls at once to a server that does not name its slots: as many as vLLM runs together by default; what a hosted
service does not take it refuses with 429, which is waited out."""
TIMEOUT_S: Final = 3600.0
"""A busy server on a small machine may take most of an hour for a reply of 8192 tokens."""
_PATH: Final = "chat/completions"
_MOST_LESSONS: Final = 24
"""The number of times that one call is sent again in other words."""
_SLOW: Final = (408, 504, 524, 502)


def connect(name: str, access: Access) -> OpenAIModel:
    """Return the model that ``openai:NAME`` names."""
    if not name:
        raise UsageError("openai: names no model; write openai:NAME with the name that the server knows it by")
    return OpenAIModel(name, access)


@dataclass(eq=False)
class _Call:
    """One call to one server, in the words that were sent last."""

    server: Server
    request: Request
    watched: bool = False  # what was handed out cannot be taken back
    body: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    start: float = 0.0
    tried: set[str] = field(default_factory=set)  # base URLs
    assembly: ReplyAssembly = field(default_factory=ReplyAssembly)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.start


class OpenAIModel:
    """A model behind one or several base URLs of the OpenAI API (chat completions).

    Each call goes to the server with the fewest calls in flight, at the pace that the server takes.
    What a server refuses is learnt, told once as a warning of the logger ``selfagg.openai``, and kept to.
    """

    def __init__(self, model: str, access: Access | None = None, **settings: Any) -> None:
        """Name the model; nothing is reached before entering.

        Args:
            model: Its name at the server.
            access: Addresses, keys and limits. No base URL: OPENAI_BASE_URL, else the official address. A user name, a
                password and a query in it are sent. No concurrency: the slots of llama.cpp's server, else
                `CALLS_A_SERVER` each. No context: what the servers say (the smallest).
            settings: Fields of `Access` by name, in its place.

        Raises:
            UsageError: An address, the key or a header cannot be one, or there is no key for the official address.
        """
        access = replace(access or Access(), **settings)
        self.name = f"openai:{model}"
        self._model = model
        given = access.base_urls or [os.environ.get("OPENAI_BASE_URL") or OFFICIAL_URL]
        addresses: dict[str, Address] = {address.url: address for address in map(read_address, given)}
        self._credentials = Credentials(access.api_key, access.api_key_file, access.headers)
        if not self._credentials.named and OFFICIAL_URL in addresses:
            raise UsageError(f"{OFFICIAL_URL} needs an API key: set OPENAI_API_KEY, or name a key file or a base URL")
        usual = RetryPolicy() if access.patience_s is None else RetryPolicy(patience_s=access.patience_s)
        policy = access.retries or usual
        limits = {"timeout_s": access.timeout_s or TIMEOUT_S, "whole_s": access.whole_s}
        self._servers = [Server(address, self._credentials, policy=policy, **limits) for address in addresses.values()]
        self.limiter: Limiter[Server] = Limiter(policy, self._servers)
        self.concurrency = access.concurrency or CALLS_A_SERVER * len(self._servers)
        self._given_concurrency, self._given_context = access.concurrency, access.context
        self._profile = Profile(" and ".join(addresses))
        self._facts: ServedModel | None = None
        self._opened = AsyncExitStack()
        self._users: Counter[asyncio.AbstractEventLoop] = Counter()

    def __repr__(self) -> str:
        return f"OpenAIModel({self._model!r}, base_urls={[server.url for server in self._servers]!r})"

    @property
    def context(self) -> int | None:
        """Return the tokens of prompt and reply together: what was given, else the least that the server told."""
        return self._given_context or self._profile.context

    @context.setter
    def context(self, tokens: int | None) -> None:
        self._given_context = tokens

    async def __aenter__(self) -> Self:
        """Reach every server.

        Raises:
            UsageError: None of them can be reached.
        """
        async with AsyncExitStack() as opened:
            await opened.enter_async_context(self._sessions())
            await self._prepare()
            self._opened = opened.pop_all()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._opened.aclose()

    @asynccontextmanager
    async def here(self) -> AsyncIterator[Self]:
        """Open the connection for use in the running event loop, whether it is open elsewhere or not."""
        async with self._sessions():
            if self._facts is None:
                await self._prepare()
            yield self

    @asynccontextmanager
    async def _sessions(self) -> AsyncIterator[None]:
        """Open the sessions of the servers in the running event loop until its last user leaves."""
        loop = asyncio.get_running_loop()
        if not self._users[loop]:
            for server in self._servers:
                server.open()
        self._users[loop] += 1
        try:
            yield
        finally:
            self._users[loop] -= 1
            if not self._users[loop]:
                del self._users[loop]
                for server in self._servers:
                    await server.close()

    async def _prepare(self) -> None:
        """Ask the servers for facts; avoid a replica that cannot be reached while another one can."""
        facts, lost = [], []
        for server in self._servers:
            try:
                alone = Limiter(self.limiter.policy, [server], self.limiter.listeners)
                facts.append(await look_up(server, self._model, alone))
            except UsageError as error:
                lost.append(error)
                server.pace.lost(str(error))
        if not facts:
            raise lost[0]
        self._facts = facts[0]
        self.concurrency = self._given_concurrency or sum(fact.slots or CALLS_A_SERVER for fact in facts)
        told = [*(fact.context for fact in facts), self._profile.context]
        self._profile.context = min(filter(None, told), default=None)
        self._profile.program = facts[0].owner
        neutral, supported = NEUTRAL.get(facts[0].owner, {}), facts[0].supported
        self._profile.fields = {name: neutral[name] for name in neutral if name in supported or not supported}
        for note in (*map(str, lost), *(fact.note for fact in facts if fact.note)):
            self._profile.tell(note)

    async def sample(self, request: Request) -> Reply:
        """Sample one reply; see `Model.sample`. Cancelling closes the connection, so the server stops writing."""
        reply, tries = await self.limiter.run(lambda server: self._try(server, request))
        return replace(reply, tries=tries)

    async def _try(self, server: Server, request: Request) -> Reply:
        call = _Call(server, request)
        try:
            async with aclosing(self._events(call)) as events:
                async for event in events:
                    call.assembly.take(event)
            reply = call.assembly.reply(seconds=call.seconds)
        except Refusal as refusal:
            raise self._error(refusal, call) from None
        except Unfinished:
            self._profile.unfinished()
            raise
        except TransientError as lost:
            if lost.status in _SLOW or (not lost.unreachable and call.seconds > 20):
                self._profile.slow(call.body)
            raise
        except UsageError as wrong:  # a redirect that must not be followed
            raise ModelError(str(wrong), fatal=True) from None
        return self._profile.saw(reply, call.request, call.body)

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Sample one reply and hand it out as it is written; the last item is the whole `Reply`.

        Only the beginning is tried again: what was handed out cannot be taken back.

        Raises:
            ModelError: The call failed for good, or broke off.
            ContextOverflow: The prompt does not fit the model's context.
        """
        (call, events, first), tries = await self.limiter.run(lambda server: self._begin(_Call(server, request, True)))
        with call.server.pace.held():
            async with aclosing(events):
                try:
                    for delta in call.assembly.add(first):
                        yield delta
                    async for event in events:
                        for delta in call.assembly.add(event):
                            yield delta
                    for delta in call.assembly.rest():
                        yield delta
                    reply = call.assembly.reply(seconds=call.seconds)
                except (TransientError, Refusal) as error:
                    status = error.status
                    raise ModelError(f"the reply broke off: {error}", tries=tries, status=status) from None
        self._profile.saw(reply, call.request, {"stream": True})
        yield replace(reply, tries=tries)

    async def _begin(self, call: _Call) -> tuple[_Call, AsyncGenerator[object, None], object]:
        events = self._events(call)
        try:
            return call, events, await anext(events)
        except StopAsyncIteration:
            raise TransientError("the server sent an empty stream") from None
        except UsageError as wrong:
            raise ModelError(str(wrong), fatal=True) from None

    async def _events(self, call: _Call) -> AsyncGenerator[object, None]:
        """Yield the events of a reply, or a whole answer as one; send the call again in other words where refused."""
        for _ in range(_MOST_LESSONS):
            stream = self._profile.streams(call.request, watched=call.watched)
            call.body = self._profile.body(self._model, call.request, stream=stream)
            call.assembly = ReplyAssembly(verbatim=call.request.verbatim)
            call.key, call.start = self._credentials.key, time.perf_counter()
            call.tried.add(call.server.url)
            begun = False
            try:
                async with aclosing(call.server.events(_PATH, call.body, lambda: call.assembly.whole)) as events:
                    async for event in events:
                        begun = True
                        yield event
                return
            except Refusal as refusal:
                if begun and call.watched:
                    raise
                call.request = self._learn(refusal, call)
        raise ModelError(f"{call.server.url} refused the call in {_MOST_LESSONS} forms")

    def _learn(self, refusal: Refusal, call: _Call) -> Request:
        """Return the request to send again; raise what the refusal means where that is of no use."""
        server = call.server
        if refusal.status == 401 and self._credentials.renew(call.key):
            return call.request
        if refusal.status in (404, 405) and not self._profile.proven and not refusal.no_model:
            if server.url in call.tried and server.address.other not in call.tried:
                server.address = server.address.turned()
            if server.url not in call.tried:
                return call.request
            server.address = server.given
        if refusal.status in _SLOW:
            self._profile.slow(call.body)
        if again := self._profile.learn(refusal, call.request, call.body):
            return again
        raise self._error(refusal, call) from None

    def _error(self, refusal: Refusal, call: _Call) -> TransientError | ModelError:
        facts = self._facts or ServedModel(self._model)
        absent = refusal.no_model or refusal.status == 404
        hint = facts.hint if absent else self._profile.wish_refused(refusal, call.body)
        return refusal.error(call.server.url, proven=self._profile.proven, listed=facts.listed, hint=hint)

    @asynccontextmanager
    async def forward(
        self, body: Mapping[str, Any] | None, *, path: str = _PATH, **request: Any
    ) -> AsyncIterator[Forwarded]:
        server = self.limiter.least_busy()
        sent = {**(body or {}), "model": self._model} if path == _PATH else body
        try:
            with server.pace.held():
                async with server.forward(path, sent, **request) as answer:
                    yield answer
        except TransientError as lost:
            raise lost.final() from None

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return tokens of this conversation as a prompt.

        Exact where vLLM or llama.cpp serves it (one small exchange); elsewhere, and where the server does not
        answer, `estimate_tokens`.
        """
        if self._facts and self._facts.counts:
            with suppress(Refusal, TransientError):
                return await counted_tokens(self.limiter.least_busy(), self._facts, messages)
        return estimate_tokens(messages)
