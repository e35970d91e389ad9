"""Errors in the API's own form: ``{"error": {"message", "type", "param", "code"}}``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from selfagg.errors import ContextOverflow, ModelError, SelfaggError, TooLong, UsageError

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class Json(JSONResponse):
    """JSON whose text may hold lone surrogates, which a broken backend sends: they go out as question marks."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


class APIError(HTTPException):
    """What a client is told.

    Attributes:
        body: The API's error object.
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
        kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}

    def response(self) -> JSONResponse:
        """The error as an answer."""
        return Json(self.body, self.status_code, headers=self.headers)


def refused(message: str, param: str | None = None, code: str | None = None) -> APIError:
    """The client asked for what cannot be."""
    return APIError(400, message, param=param, code=code)


def api_error(error: SelfaggError, failure: ModelError | None = None) -> APIError:
    """What an error of the work means to the client.

    Args:
        error: What was raised.
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


async def on_http_error(_: Request, error: Exception) -> JSONResponse:
    """Errors of the framework (no such path, no such method) in the same form."""
    if isinstance(error, APIError):
        return error.response()
    if isinstance(error, HTTPException):
        told = APIError(error.status_code, str(error.detail))
        return Json(told.body, error.status_code, headers=error.headers)
    return APIError(500, "the server failed on this request").response()


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
    """These errors, for OpenAPI."""
    answer = {"description": "Error", "content": {"application/json": {"schema": ERROR_SCHEMA}}}
    return dict.fromkeys(statuses, answer)
