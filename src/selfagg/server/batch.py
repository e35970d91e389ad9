"""`batch` and `abatch`: many requests in a file, answered by the server's own code, without a server.

The files have OpenAI's format: one request a line in, one result a line out.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from starlette.requests import Request
from starlette.types import Message

from selfagg._internal.blocking import blocking
from selfagg._internal.files import claim, kind_of, readable
from selfagg.errors import UsageError
from selfagg.models import Access, Model, opened
from selfagg.run.runner import first_error_only
from selfagg.server.errors import APIError, as_json, from_json, refused
from selfagg.server.service import APIS, Exchange, Service
from selfagg.server.settings import RequestDefaults, ServerLimits, ServeSettings

log = logging.getLogger("selfagg.server")

URLS: Final = {f"/v1/{api.route}": api for api in APIS}  # the routes that a batch answers, and the API of each
_LIMITS: Final = ServerLimits(n=2**31, k=2**31, t=2**31, open_requests=2**31)
_REFUSED: Final = {
    "stream": "a batch writes whole answers",
    "background": "a batch is in the background by itself",
    "previous_response_id": "a batch keeps no conversations: send the whole one as input",
}
_RESULT: Final = "batch_req_"  # the beginning of a result's id; the digest of its request follows
_MOST_TOLD: Final = 5


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
    asked = read_requests(source)
    access = Access(base_urls=(base_url,) if base_url else (), api_key=api_key, concurrency=concurrency)
    with ExitStack() as files:
        done, failed = [files.enter_context(ResultsFile(path)) for path in (results, failures)]
        async with opened(model, access) as connection:
            keys = {request.custom_id: _key(request, connection, settings) for request in asked}
            for name, key in keys.items():
                if done.ids.get(name, key) != key:
                    other = "is one of another request, model or setting: name another file"
                    raise UsageError(f"{done.path}: the result of {name[:100]!r} {other}")
            rest = [request for request in asked if request.custom_id not in done.ids]
            failed.clear()
            async with Service(connection, settings, concurrency, is_open=True) as service:
                await first_error_only(_answer_all(service, rest, keys, done, failed, told or (lambda *_: None)))
        if not failed.ids:
            failures.unlink()
        errors_in = failures if failed.ids else None
        return BatchResult(len(asked), len(asked) - len(rest), len(failed.ids), results, errors_in)


def batch(requests: str | Path, out: str | Path, **settings: Any) -> BatchResult:
    """Answer the requests of a file, as `abatch` does, in code that is not asynchronous; a notebook too.

    Takes the arguments of `abatch`, returns and raises the same.
    """
    return blocking(lambda: abatch(requests, out, **settings))


def _key(request: BatchRequest, model: Model, settings: ServeSettings) -> str:
    """Return the id of a request's result: equal ids have equal requests, models and settings."""
    names = [field.name for field in fields(RequestDefaults) if field.name != "record"]
    told = [request.custom_id, request.url, request.body, model.name, {name: getattr(settings, name) for name in names}]
    return _RESULT + hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:48]


async def _answer_all(
    service: Service,
    requests: list[BatchRequest],
    keys: Mapping[str, str],
    done: ResultsFile,
    failed: ResultsFile,
    told: Callable[[int, int], None],
) -> None:
    """Answer requests side by side, and write each result as soon as it is there."""
    places = asyncio.Semaphore(service.call_queue.limit)  # a plain call is one call

    async def answer(request: BatchRequest) -> None:
        async with places:
            key = keys[request.custom_id]
            answered = await _answered(service, request, key.removeprefix(_RESULT))
        (done if answered["status_code"] < 400 else failed).add(request.custom_id, key, answered)
        told(len(done.ids), len(failed.ids))

    async with asyncio.TaskGroup() as group:
        for request in requests:
            group.create_task(answer(request))


async def _answered(service: Service, asked: BatchRequest, digest: str) -> dict[str, Any]:
    """Return a result's ``response``: status, body, and what the server tells of the request in its own headers."""
    api, pieces = URLS[asked.url], list[bytes]()
    sent: list[Message] = [{"type": "http.request", "body": as_json(asked.body)}]

    async def receive() -> Message:  # of a client that waits for its answer
        return sent.pop() if sent else await asyncio.get_running_loop().create_future()

    async def send(message: Message) -> None:
        pieces.append(message.get("body", b""))

    scope = {"type": "http", "method": "POST", "path": asked.url, "query_string": b"", "headers": []}
    request, name = Request(scope | {"state": {"told": {}}}, receive), api.prefix + digest
    try:
        for field, why in _REFUSED.items():
            if asked.body.get(field):
                raise refused(f"{field}: {why}", field, "unsupported_parameter")
        response = await Exchange(service, request, api, digest).answer()
    except APIError as error:
        response = error.response(asked.url)
    except Exception:
        log.exception("request %s failed", name)
        response = APIError(500, "selfagg failed on this request").response(asked.url)
    await response(request.scope, receive, send)
    own = {name: value for name, value in response.headers.items() if name.startswith("x-selfagg-")}
    told = {"status_code": response.status_code, "request_id": name, "body": json.loads(b"".join(pieces))}
    return told | ({"headers": own} if own else {})


# -- the files


class BatchRequest(NamedTuple):
    """One request of a batch: the name that the user gave it, the route, the body."""

    custom_id: str
    url: str
    body: Mapping[str, Any]


def read_requests(path: Path) -> list[BatchRequest]:
    """Return the requests of a file; empty lines are skipped.

    Raises:
        UsageError: The file cannot be read or holds no request, or lines are no requests: they are named.
    """
    lines: dict[str, int] = {}
    requests, faults = [], []
    with readable(path, "the file of requests").open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.removeprefix(b"\xef\xbb\xbf").strip():
                continue
            try:
                request = _request(line)
                if (first := lines.setdefault(request.custom_id, number)) != number:
                    raise ValueError(f"custom_id {request.custom_id[:100]!r} stands in line {first} already")
                requests.append(request)
            except ValueError as fault:
                faults.append(f"line {number}: {fault}")
    if faults:
        more = f" (and {len(faults) - _MOST_TOLD} more)" if len(faults) > _MOST_TOLD else ""
        raise UsageError(f"{path}: {'; '.join(faults[:_MOST_TOLD])}{more}")
    if not requests:
        raise UsageError(f"{path} holds no request")
    return requests


def _request(line: bytes) -> BatchRequest:
    """Return the request of a line; raise ValueError that says what is wrong with it."""
    told = from_json(line)
    name, url, body = told.get("custom_id"), told.get("url"), told.get("body")
    if not isinstance(name, str) or not name:
        raise ValueError("custom_id is missing, or no text")
    if told.get("method") != "POST":
        raise ValueError('method must be "POST"')
    if not isinstance(url, str) or url not in URLS:
        raise ValueError(f"url is {str(url)[:100]!r}, but it must be one of {', '.join(URLS)}")
    if not isinstance(body, dict):
        raise ValueError("body must be a JSON object")
    return BatchRequest(name, url, body)


class ResultsFile:
    """A file of results, to which this process alone adds lines.

    It is made if it is not there. A line that was cut short, by a kill or a full disk, is taken away. ``ids`` holds the
    id of each result, by ``custom_id``.

    Raises:
        UsageError: The file cannot be written, another process writes it, or it holds something else than results.
    """

    def __init__(self, path: Path) -> None:
        if kind := kind_of(path):
            raise UsageError(f"{path} is {kind}: name a file to write")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.fdopen(claim(path), "r+b")
        except BlockingIOError:
            raise UsageError(f"{path} is in use by another selfagg process") from None
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror or error}") from None
        self.path = path
        try:
            self.ids = dict(self._read())
        except BaseException:
            self._file.close()
            raise

    def _read(self) -> Iterator[tuple[str, str]]:
        end, last, beginning = 0, b"\n", f'{{"id":"{_RESULT}'.encode()
        for number, line in enumerate(self._file, 1):
            try:
                told = from_json(line) if line[: len(beginning)] == beginning[: len(line)] else {"no": "result"}
                yield told["custom_id"], told["id"]
            except (ValueError, KeyError) as fault:
                if isinstance(fault, ValueError) and not line.endswith(b"\n"):
                    break  # cut short
                raise UsageError(f"{self.path}, line {number}: no result of selfagg batch; name another file") from None
            end, last = end + len(line), line
        self._cut(end)
        if not last.endswith(b"\n"):
            self._file.write(b"\n")

    def _cut(self, end: int) -> None:
        self._file.seek(end)
        self._file.truncate()

    def clear(self) -> None:
        """Forget all results."""
        self._cut(0)
        self.ids.clear()

    def add(self, custom_id: str, key: str, response: Mapping[str, Any]) -> None:
        """Write one result; the system has it when this returns."""
        self._file.write(as_json({"id": key, "custom_id": custom_id, "response": response, "error": None}) + b"\n")
        self._file.flush()
        self.ids[custom_id] = key

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
