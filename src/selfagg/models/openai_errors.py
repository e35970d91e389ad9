"""What a refusal of an OpenAI-compatible server means, in one sentence and without secrets."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from selfagg.errors import ContextOverflow, ModelError
from selfagg.models.retries import Passing, may_pass

LONGEST_MESSAGE = 300  # characters of a server's own message that an error text repeats

_OVERFLOW_CODES = {"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"}
_OVERFLOW_WORDS = re.compile(
    r"(maximum|available|model's|exceeds? the) context (length|size|window)"
    r"|exceeds? .{0,60}context (length|size|window)"
    r"|context (length|size|window) (has been |is |was )?exceeded"
    r"|prompt is too long"
    r"|input (token count|length) .{0,40}exceeds"
    r"|inputs.{0,40}max_new_tokens. must be <=",
    re.IGNORECASE,
)
_UNSUPPORTED_WORDS = re.compile(
    r"unsupported|not (supported|permitted|allowed)|does(n't| not) support|unknown|unrecognized|unexpected|extra",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_KEY_LIKE = re.compile(r"\b(sk|pk|key|gsk|hf|nvapi)[-_][\w*.-]{8,}")


@dataclass(eq=False)
class Refusal(Exception):
    """An answer of status 400 or above (or an error in an answer of 200).

    Attributes:
        status: The HTTP status, or the status that the body names.
        message: The server's own words, shortened and scrubbed.
        code: Its error code and type, for comparison.
        param: The parameter it complains of, or ``""``.
        wait_s: Seconds it asks to be left alone.
    """

    status: int
    message: str
    code: frozenset[str] = frozenset()
    param: str = ""
    wait_s: float = 0.0

    @property
    def overflow(self) -> bool:
        """Whether prompt and reply do not fit the context: each server says so in its own way."""
        if self.code & _OVERFLOW_CODES or self.param == "input_tokens":
            return True
        return self.status in (400, 413, 422, 500) and bool(_OVERFLOW_WORDS.search(self.message))

    @property
    def passing(self) -> bool:
        """Whether the same call may succeed later."""
        if self.overflow or "insufficient_quota" in self.code:
            return False
        return may_pass(self.status)

    def unsupported(self, parameter: str) -> bool:
        """Whether the server refused the call because it does not know this parameter."""
        if self.status not in (400, 422) or not _UNSUPPORTED_WORDS.search(f"{self.message} {' '.join(self.code)}"):
            return False
        if self.param:
            return self.param.rpartition(".")[2] == parameter
        return bool(re.search(rf"\b{parameter}\b", self.message))

    def error(self, where: str, *, proven: bool) -> Passing | ModelError:
        """The exception to raise.

        Args:
            where: Who refused.
            proven: Whether this connection has answered before. A 403 or 404 then concerns one call (a filter, a
                replica that is not ready), otherwise all; a wrong key always concerns all.
        """
        text = f"{where} answered {self.status}" + (f": {self.message}" if self.message else "")
        if self.overflow:
            return ContextOverflow(text, status=400)
        if self.passing:
            return Passing(text, wait_s=self.wait_s, status=self.status)
        every = self.status == 401 or "insufficient_quota" in self.code
        return ModelError(text, fatal=every or (self.status in (402, 403, 404) and not proven), status=self.status)


def refusal(status: int, body: str, headers: Mapping[str, str], key: str) -> Refusal:
    """Reads a refusal from an answer.

    Args:
        status: HTTP status.
        body: The answer's text, JSON or not.
        headers: The answer's headers.
        key: The API key, never to be repeated.
    """
    try:
        data: object = json.loads(body)
    except (ValueError, RecursionError):
        data = re.sub(r"<(style|script|head)\b.*?</\1>|<[^>]*>", " ", body[:10_000], flags=re.DOTALL)
    return refusal_of(status, data, key, wait_s=retry_after(headers))


def refusal_of(status: int, data: object, key: str, *, wait_s: float = 0.0) -> Refusal:
    """Reads a refusal from what JSON gave, in any of the forms servers use."""
    error = data.get("error", data) if isinstance(data, Mapping) else data
    fields: Mapping[str, Any] = error if isinstance(error, Mapping) else {}
    message = fields.get("message") or fields.get("detail") or (error if isinstance(error, str) else "")
    if isinstance(message, list):  # FastAPI's form: one entry a fault
        message = "; ".join(map(_fault, message))
    return Refusal(
        status,
        tidy(str(message), key),
        frozenset(str(fields[name]) for name in ("code", "type") if fields.get(name)),
        str(fields.get("param") or ""),
        wait_s,
    )


def error_status(answer: object) -> int | None:
    """The status that an answer of 200 should have had: some gateways (OpenRouter) send their errors with that one."""
    if not isinstance(answer, Mapping) or not answer.get("error") or answer.get("choices"):
        return None
    error = answer["error"]
    code = error.get("code") if isinstance(error, Mapping) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 502


def _fault(entry: object) -> str:
    if not isinstance(entry, Mapping):
        return str(entry)
    place = entry.get("loc")
    path = ".".join(map(str, place)) if isinstance(place, list) else ""
    return f"{path}: {entry.get('msg', '')}"


def tidy(text: str, key: str) -> str:
    """One short line of a server's text, without the key or anything that looks like one."""
    if key:
        text = text.replace(key, "***")
    text = " ".join(_KEY_LIKE.sub("***", _CONTROL.sub(" ", text[:10_000])).split())
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 3] + "..."


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that ``retry-after-ms`` or ``Retry-After`` (seconds or an HTTP date) asks for; 0.0 without one."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        return max(0.0, seconds) if math.isfinite(seconds) else 0.0
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, IndexError, TypeError, OverflowError):
        return 0.0
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
