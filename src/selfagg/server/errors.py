"""Errors in the form of the API that the client speaks.

OpenAI's: ``{"error": {"message", "type", "param", "code"}}``. Anthropic's, below ``/v1/messages``:
``{"type": "error", "error": {"type", "message"}}``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Match, Route

from selfagg.errors import ContextOverflow, ModelError, SelfaggError, TooLong, UsageError

MESSAGES: Final = "/v1/messages"
RESPONSES: Final = "/v1/responses"

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_ANTHROPIC = _TYPES | {404: "not_found_error", 413: "request_too_large", 503: "overloaded_error", 504: "timeout_error"}


class Json(JSONResponse):
    """JSON whose text may hold lone surrogates, which a broken backend sends: they go out as question marks."""

    def render(self, content: Any) -> bytes:
        return as_json(content)


def as_json(content: Any) -> bytes:
    """Return JSON as it is sent."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


class APIError(HTTPException):
    """An error as a client is told of it.

    Attributes:
        message: One sentence.
        param: The field that it is about, or None.
        code: The API's word for it, or None.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        wait_s: float | None = None,
    ) -> None:
        headers = {"Retry-After": str(max(1, math.ceil(wait_s)))} if wait_s is not None else None
        super().__init__(status, message, headers)
        self.message, self.param, self.code = message, param, code

    @property
    def body(self) -> dict[str, Any]:
        """Return OpenAI's error object."""
        kind = _TYPES.get(self.status_code, "invalid_request_error" if self.status_code < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    @property
    def anthropic(self) -> dict[str, Any]:
        """Return Anthropic's error object."""
        kind = _ANTHROPIC.get(self.status_code, "invalid_request_error" if self.status_code < 500 else "api_error")
        return {"type": "error", "error": {"type": kind, "message": self.message}}

    def response(self, path: str) -> JSONResponse:
        """Return the error as an answer to a request for ``path``."""
        body = self.anthropic if path.startswith(MESSAGES) else self.body
        return Json(body, self.status_code, headers=self.headers)

    def events(self, path: str) -> bytes:
        """Return the error as the end of a stream of ``path``."""
        if path.startswith(MESSAGES):
            return b"event: error\ndata: " + as_json(self.anthropic) + b"\n\n"
        if path.startswith(RESPONSES):
            told = {"type": "error", "code": self.code, "message": self.message, "param": self.param}
            return b"event: error\ndata: " + as_json(told) + b"\n\n"
        return b"data: " + as_json(self.body) + b"\n\ndata: [DONE]\n\n"


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
    """Return the error of the API for an error of the work.

    Args:
        error: The error that was raised.
        failure: The call's failure behind it, where ``error`` does not say of which kind it was.
    """
    if isinstance(error, ContextOverflow | TooLong) or isinstance(failure, ContextOverflow):
        return refused(str(error), "messages", "context_length_exceeded")
    if isinstance(error, UsageError):
        return refused(str(error))
    cause = error if isinstance(error, ModelError) and error.status else failure
    status = cause.status if cause else None
    if status in (400, 413, 422):
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
    if isinstance(error, HTTPException):
        missing = {404: f"this server has no {path[:200]}", 405: f"this server has no {request.method} {path[:200]}"}
        told = APIError(error.status_code, missing.get(error.status_code, str(error.detail))).response(path)
        told.headers.update(error.headers or {})
        if error.status_code == 405:
            told.headers["Allow"] = ", ".join(sorted(_methods(request)))
        return told
    return APIError(500, "the server failed on this request").response(path)


def _methods(request: Request) -> set[str]:
    """Return the methods of a path, whose routes may be several."""
    asked = {**request.scope, "path_params": {}}
    found = [
        route for route in request.app.routes if isinstance(route, Route) and route.matches(asked)[0] != Match.NONE
    ]
    return {method for route in found for method in route.methods or ()}


ERROR_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": ["string", "null"]},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "integer", "null"]},
            },
        }
    },
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return these errors, for OpenAPI."""
    answer = {"description": "Error", "content": {"application/json": {"schema": ERROR_SCHEMA}}}
    return dict.fromkeys(statuses, answer)
