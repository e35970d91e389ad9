"""`batch` and `abatch`: many requests in a file, answered by the server's own code, without a server."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from starlette.requests import Request
from starlette.types import Message

from selfagg._internal.blocking import blocking
from selfagg.errors import UsageError
from selfagg.models import Access, Model, opened
from selfagg.run.runner import first_error_only
from selfagg.server.batch_files import RESULT, BatchRequest, ResultsFile, read_requests
from selfagg.server.disconnect import CLEANUPS
from selfagg.server.errors import APIError, as_json, refused
from selfagg.server.exchange import Exchange
from selfagg.server.protocols import APIS, Head
from selfagg.server.service import Service
from selfagg.server.settings import RequestDefaults, ServerLimits, ServeSettings

log = logging.getLogger("selfagg.server")

URLS: Final = {f"/v1/{api.route}": api for api in APIS}
"""The routes that a batch answers, and the API of each."""

_NO_LIMIT: Final = 2**31
_LIMITS: Final = ServerLimits(n=_NO_LIMIT, k=_NO_LIMIT, t=_NO_LIMIT, open_requests=_NO_LIMIT)
_REFUSED: Final = {
    "stream": "a batch writes whole answers",
    "background": "a batch is in the background by itself",
    "previous_response_id": "a batch keeps no conversations: send the whole one as input",
}


@dataclass(frozen=True)
class BatchResult:
    """The result of `batch`.

    Attributes:
        requests: Requests of the file.
        before: Those among them that the file of results had already.
        failed: Those among them that have an error.
        out: The file of results.
        errors: The file of errors, or None if there is none.
    """

    requests: int
    before: int
    failed: int
    out: Path
    errors: Path | None

    def to_dict(self) -> dict[str, Any]:
        """Return what ``selfagg batch --json`` prints."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}


async def abatch(
    requests: str | Path,
    out: str | Path,
    *,
    errors: str | Path | None = None,
    model: str | Model = "local",
    base_url: str | None = None,
    api_key: str | None = None,
    concurrency: int | None = None,
    told: Callable[[int, int], None] | None = None,
    **defaults: Any,
) -> BatchResult:
    """Answer the requests of a file in OpenAI's batch format, deliberated as ``selfagg serve`` does.

    The same call goes on where an earlier one ended, in whatever way: a request with a result is not asked again, one
    with an error is, and with ``record`` no generation is paid for twice.

    Args:
        requests: JSON lines with ``custom_id``, ``method`` (POST), ``url`` (``/v1/chat/completions``,
            ``/v1/responses``, ``/v1/messages`` or ``/v1/completions``) and ``body``, which may hold ``rsa``.
        out: The file of results, one line each, as they come.
        errors: The file of errors of this call; None: beside the results, as ``results.errors.jsonl``.
        model: A model's name (``local``, ``openai:NAME``, ...) or an open connection, which stays open.
        base_url: Where the model is served. For a model's name, as the next.
        api_key: The key for the server; None: the environment's ``OPENAI_API_KEY``.
        concurrency: Most calls at once; None: what the connection serves well.
        told: Called after each request with the numbers of results and of errors so far.
        **defaults: How a request is answered that does not say: ``method``, ``n``, ``k``, ``t``, ``stop``, ``copy``,
            ``answer``, ``candidate``, ``server_defaults``, ``routes``, and ``record``, a file that keeps every
            generation (`selfagg.server.settings.RequestDefaults`).

    Raises:
        UsageError: A line is no request (its number is named), a file cannot be used, or the model cannot be reached.
    """
    known = [field.name for field in fields(RequestDefaults)]
    if unknown := [name for name in defaults if name not in known]:
        raise UsageError(f"there is no setting {unknown[0]}; there are {', '.join(known)}")
    settings = ServeSettings(**defaults, limits=_LIMITS)
    source, results = Path(requests), Path(out)
    failures = Path(errors) if errors is not None else results.with_name(f"{results.stem}.errors.jsonl")
    if len({path.resolve() for path in (source, results, failures)}) < 3:
        raise UsageError("the files of requests, results and errors must be three")
    asked = read_requests(source, URLS)
    access = Access(base_urls=(base_url,) if base_url else (), api_key=api_key, concurrency=concurrency)
    with ExitStack() as files:
        done, failed = files.enter_context(ResultsFile(results)), files.enter_context(ResultsFile(failures))
        async with opened(model, access) as connection:
            keys = {request.custom_id: _key(request, connection, settings) for request in asked}
            rest = _unanswered(asked, keys, done)
            before = len(asked) - len(rest)
            failed.clear()
            async with Service(connection, settings, concurrency, is_open=True) as service:
                await _Batch(service, keys, done, failed, told).run(rest)
        if not failed.ids:
            failures.unlink()
        return BatchResult(len(asked), before, len(failed.ids), results, failures if failed.ids else None)


def batch(requests: str | Path, out: str | Path, **settings: Any) -> BatchResult:
    """Answer the requests of a file, as `abatch` does, in code that is not asynchronous; a notebook too.

    Takes the arguments of `abatch`, returns and raises the same.
    """
    return blocking(lambda: abatch(requests, out, **settings))


def _key(request: BatchRequest, model: Model, settings: ServeSettings) -> str:
    """Return the id of a request's result: equal ids have equal requests, models and settings."""
    names = [field.name for field in fields(RequestDefaults) if field.name != "record"]
    told = [request.custom_id, request.url, request.body, model.name, {name: getattr(settings, name) for name in names}]
    return RESULT + hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:48]


def _unanswered(asked: list[BatchRequest], keys: Mapping[str, str], done: ResultsFile) -> list[BatchRequest]:
    """Return the requests without a result; raise UsageError if a result is that of another request."""
    for name, key in keys.items():
        if done.ids.get(name, key) != key:
            told = f"the result of {name[:100]!r} is one of another request, model or setting: name another file"
            raise UsageError(f"{done.path}: {told}")
    return [request for request in asked if request.custom_id not in done.ids]


class _Batch:
    """Answers requests side by side, and writes each result as soon as it is there."""

    def __init__(
        self,
        service: Service,
        keys: Mapping[str, str],
        done: ResultsFile,
        failed: ResultsFile,
        told: Callable[[int, int], None] | None,
    ) -> None:
        self._service, self._keys, self._told = service, keys, told
        self._done, self._failed = done, failed
        self._places = asyncio.Semaphore(service.call_limiter.limit)  # a plain call is one call
        self._app = SimpleNamespace(state=SimpleNamespace(cleanups=asyncio.Semaphore(CLEANUPS)))

    async def run(self, requests: list[BatchRequest]) -> None:
        async def all_of_them() -> None:
            async with asyncio.TaskGroup() as group:
                for request in requests:
                    await self._places.acquire()
                    group.create_task(self._one(request))

        await first_error_only(all_of_them())

    async def _one(self, request: BatchRequest) -> None:
        try:
            key = self._keys[request.custom_id]
            answered = await _answered(_BatchExchange(self._service, _http(request, self._app), request, key))
            file = self._done if answered["status_code"] < 400 else self._failed
            file.add(request.custom_id, key, answered)
            if self._told:
                self._told(len(self._done.ids), len(self._failed.ids))
        finally:
            self._places.release()


class _BatchExchange(Exchange):
    """One request of a batch; its id and its seed follow from the request, so that a record can be gone on with."""

    resumed = True

    def __init__(self, service: Service, http: Request, request: BatchRequest, key: str) -> None:
        super().__init__(service, http, URLS[request.url])
        self._digest = key.removeprefix(RESULT)
        self.name = self.api.prefix + self._digest

    def head(self, body: Mapping[str, Any]) -> Head:
        return replace(super().head({**body, "store": False}), id=self.name)

    def prepared(self, body: dict[str, Any], *, plain: bool) -> dict[str, Any]:
        for name, why in _REFUSED.items():
            if body.get(name):
                raise refused(f"{name}: {why}", name, "unsupported_parameter")
        return body if plain or body.get("seed") is not None else {**body, "seed": int(self._digest[:7], 16)}


def _http(request: BatchRequest, app: SimpleNamespace) -> Request:
    """Return the request as it comes over HTTP, of a client that waits for its answer."""
    body: list[Message] = [{"type": "http.request", "body": as_json(request.body)}]

    async def receive() -> Message:
        return body.pop() if body else await asyncio.get_running_loop().create_future()

    scope = {"type": "http", "method": "POST", "path": request.url, "query_string": b"", "headers": [], "app": app}
    return Request(scope | {"state": {"told": {}}}, receive)


async def _answered(exchange: _BatchExchange) -> dict[str, Any]:
    """Return a result's ``response``: status, body, and what the server tells of the request in headers of its own."""
    request, told, pieces = exchange.request, dict[str, Any](), list[bytes]()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            told.update(message)
        pieces.append(message.get("body", b""))

    try:
        response = await exchange.answer()
    except APIError as error:
        response = error.response(request.url.path)
    except Exception:
        log.exception("request %s failed", exchange.name)
        response = APIError(500, "selfagg failed on this request").response(request.url.path)
    await response(request.scope, request.receive, send)
    own = {name.decode(): value.decode() for name, value in told["headers"] if name.startswith(b"x-selfagg-")}
    body = json.loads(b"".join(pieces))
    return {"status_code": told["status"], "request_id": exchange.name, "body": body} | (
        {"headers": own} if own else {}
    )
