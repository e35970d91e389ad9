"""JSON in and out, and errors in the form of the API that the client speaks.

OpenAI's: ``{"error": {"message", "type", "param", "code"}}``. Anthropic's, below ``/v1/messages``:
``{"type": "error", "error": {"type", "message"}}``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NoReturn

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Match, Route

from selfagg.errors import ContextOverflow, ModelError, SelfaggError, TooLong, UsageError

MESSAGES: Final = "/v1/messages"
DONE: Final = b"data: [DONE]\n\n"

Word = str | None

_OPENAI: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_ANTHROPIC: Final = _OPENAI | {
    **{404: "not_found_error", 413: "request_too_large", 503: "overloaded_error", 504: "timeout_error"},
}


def as_json(content: Any) -> bytes:
    """Return JSON as it is sent; lone surrogates, which a broken backend sends, go out as question marks."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


class Json(JSONResponse):
    """An answer in JSON."""

    def render(self, content: Any) -> bytes:
        return as_json(content)


def from_json(content: bytes) -> dict[str, Any]:
    """Return a JSON object; raise ValueError, which says what is wrong with it, if it is none."""

    def no_number(word: str) -> NoReturn:
        raise ValueError(f"{word} is no JSON number")

    try:
        told = json.loads(content.decode("utf-8-sig"), parse_constant=no_number)
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON ({error.msg}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if not isinstance(told, dict):
        raise ValueError("not a JSON object")
    return told


def parsed(body: bytes) -> dict[str, Any]:
    """Return a request's body; raise APIError if it is no JSON object."""
    try:
        return from_json(body)
    except ValueError as fault:
        raise refused(f"the request body: {fault}") from None


def sse(value: Mapping[str, Any]) -> bytes:
    """Return a server-sent event; its type, where it has one, is its name."""
    name = f"event: {value['type']}\n" if "type" in value else ""
    return name.encode() + b"data: " + as_json(value) + b"\n\n"


class APIError(HTTPException):
    """An error as a client is told of it: one sentence, the field that it is about, the API's word for it."""

    def __init__(self, status: int, message: str, *, param: Word = None, code: Word = None, wait_s: float = -1) -> None:
        headers = {"Retry-After": str(max(1, math.ceil(wait_s)))} if wait_s >= 0 else None
        super().__init__(status, message, headers)
        self.message, self.param, self.code = message, param, code

    def body(self, path: str) -> dict[str, Any]:
        """Return the error object of the API of ``path``."""
        anthropic, status = path.startswith(MESSAGES), self.status_code
        other = "invalid_request_error" if status < 500 else "api_error" if anthropic else "server_error"
        kind = (_ANTHROPIC if anthropic else _OPENAI).get(status, other)
        if anthropic:
            return {"type": "error", "error": {"type": kind, "message": self.message}}
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self, path: str) -> JSONResponse:
        """Return the error as an answer to a request for ``path``."""
        return Json(self.body(path), self.status_code, headers=self.headers)

    def events(self, path: str) -> bytes:
        """Return the error as the end of a stream of ``path``."""
        if path.startswith("/v1/responses"):
            return sse({"type": "error", "code": self.code, "message": self.message, "param": self.param})
        return sse(self.body(path)) + (b"" if path.startswith(MESSAGES) else DONE)


def refused(message: str, param: str | None = None, code: str | None = None) -> APIError:
    """Return the error of a client that asked for what cannot be."""
    return APIError(400, message, param=param, code=code)


@contextmanager
def renamed(names: Mapping[str, str]) -> Iterator[None]:
    """Name a field in errors as the client's own API does; ``names`` maps chat completions' names to its own."""
    try:
        yield
    except APIError as error:
        root, dot, rest = (error.param or "").partition(".")
        if root not in names:
            raise
        old, new = root + dot + rest, names[root] + dot + rest
        message = new + error.message.removeprefix(old) if error.message.startswith(old) else error.message
        raise APIError(error.status_code, message, param=new, code=error.code) from None


def api_error(error: SelfaggError, failure: ModelError | None = None) -> APIError:
    """Return the API's error for one of the work; ``failure``: the failed call behind it, if it does not say itself."""
    if isinstance(error, ContextOverflow | TooLong) or isinstance(failure, ContextOverflow):
        return refused(str(error), "messages", "context_length_exceeded")
    cause = error if isinstance(error, ModelError) and error.status else failure
    status = cause.status if cause else None
    if isinstance(error, UsageError) or status in (400, 413, 422):
        return refused(str(error))
    if status == 429:
        return APIError(429, str(error), code="rate_limit_exceeded", wait_s=cause.wait_s if cause else 1.0)
    if status in (503, 504):
        return APIError(status, str(error), code="backend_timeout" if status == 504 else "backend_unavailable")
    return APIError(502, str(error), code="backend_error")


async def on_http_error(request: Request, error: Exception) -> JSONResponse:
    """Answer with errors of the framework (no such path, no such method) in the same form."""
    path = request.url.path
    if isinstance(error, APIError):
        return error.response(path)
    if not isinstance(error, HTTPException):
        return APIError(500, "the server failed on this request").response(path)
    missing = {404: f"this server has no {path[:200]}", 405: f"this server has no {request.method} {path[:200]}"}
    answer = APIError(error.status_code, missing.get(error.status_code, str(error.detail))).response(path)
    answer.headers.update(error.headers or {})
    if error.status_code == 405:  # a path may have several routes
        asked = {**request.scope, "path_params": {}}
        routes = [route for route in request.app.routes if isinstance(route, Route)]
        methods = {verb for one in routes if one.matches(asked)[0] != Match.NONE for verb in one.methods or ()}
        answer.headers["Allow"] = ", ".join(sorted(methods))
    return answer


_NULLABLE: Final = {"type": ["string", "null"]}
_CODE: Final = {"type": ["string", "integer", "null"]}
_FIELDS: Final = {"message": {"type": "string"}, "type": _NULLABLE, "param": _NULLABLE, "code": _CODE}
_ERROR: Final = {"type": "object", "required": ["message"], "properties": _FIELDS}
_SCHEMA: Final = {"type": "object", "required": ["error"], "properties": {"error": _ERROR}}
ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": "Error", "content": {"application/json": {"schema": _SCHEMA}}} for status in ("4XX", "5XX")
}
"""The errors of every route, for OpenAPI."""
