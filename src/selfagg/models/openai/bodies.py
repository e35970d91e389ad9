"""Errors as servers send them, read from any shape: JSON in any nesting, text, web pages, errors within a 200."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from selfagg.models.openai.refusal import Refusal, shortened
from selfagg.models.openai.waits import asked_wait

_MOST_NODES: Final = 200
_DEEPEST: Final = 8
_TEXTS = (
    *("message", "msg", "error", "detail", "details", "errors", "error_message", "error_msg", "errormessage", "errmsg"),
    *("status_msg", "description", "error_description", "reason", "raw", "fault", "faultstring", "title", "base_resp"),
)
_CODES = ("code", "type", "status", "error_code", "errorcode", "status_code", "error_type", "__type")
_WAITS = (
    *("retrydelay", "retry_delay", "estimated_time"),
    *("retry_after", "retryafter", "retry_after_seconds", "retry_after_ms"),
)

_MINIMAX: Final = {1002: 429, 1004: 401, 1008: 402, 1039: 429, 2013: 400, 2049: 401}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_KEY_LIKE = re.compile(r"\b(sk|pk|key|gsk|hf|nvapi|xai)[-_][\w*.-]{8,}|\bAIza[\w-]{20,}")


def refusal(status: int, body: str, headers: Mapping[str, str], secrets: Sequence[str]) -> Refusal:
    """Read a refusal from an answer.

    Args:
        status: HTTP status.
        body: The answer's text, JSON or not.
        headers: The answer's headers.
        secrets: Texts that must never be repeated.
    """
    return refusal_of(status, _loaded(body), secrets, headers)


def refusal_of(status: int, data: object, secrets: Sequence[str], headers: Mapping[str, str] | None = None) -> Refusal:
    """Read a refusal from what JSON gave, in any of the forms servers use; a string may be a web page."""
    found = _Found()
    found.take("", data, _DEEPEST)
    words = _scrubbed(": ".join(dict.fromkeys(filter(None, found.texts))), secrets)
    wait_s = asked_wait(headers or {}, found.waits, words)
    return Refusal(status, words, frozenset(found.codes), found.param, wait_s, found.numbers, _is_page(data))


def error_status(answer: object) -> int | None:
    """Return the status that an answer of 200 should have had, or None where it holds no error.

    OpenRouter and other gateways send their errors so, MiniMax in ``base_resp``.
    """
    if isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    if not isinstance(answer, Mapping) or answer.get("choices"):
        return None
    told = answer.get("base_resp")
    if isinstance(told, Mapping) and told.get("status_code"):
        return _MINIMAX.get(told["status_code"], 502)
    error = answer.get("error") or answer.get("errors") or (answer.get("object") == "error" and answer)
    if not error:
        return None
    said = [str(part.get(name)) for part in (error, answer) if isinstance(part, Mapping) for name in ("code", "status")]
    return next((int(code) for code in said if re.fullmatch("[45][0-9][0-9]", code)), 502)


class _Found:
    """The findings of a walk through an error's body."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.codes: set[str] = set()
        self.waits: dict[str, object] = {}
        self.numbers: dict[str, int] = {}
        self.param = ""
        self._left = _MOST_NODES

    def take(self, name: str, value: object, depth: int) -> None:
        """Walk through a value of this name."""
        self._left -= 1
        if depth < 0 or self._left < 0:
            return
        if isinstance(value, Mapping):
            self._fault(value) if "loc" in value else self._fields(value, depth)
        elif isinstance(value, list):
            for one in value:
                self.take(name, one, depth - 1)
        elif isinstance(value, str):
            self._text(name, value, depth)
        if name in _CODES and isinstance(value, str | int):
            self.codes.add(str(value))
        elif name in _WAITS and isinstance(value, str | int | float):
            self.waits[name] = value
        elif name in ("n_ctx", "n_prompt_tokens") and isinstance(value, int):
            self.numbers[name] = value
        elif name in ("param", "parameter") and isinstance(value, str):
            self.param = self.param or value
            if " " in value:
                self.texts.append(value)

    def _fields(self, value: Mapping[str, Any], depth: int) -> None:
        named = {str(name).lower(): name for name in value}
        for name in (*filter(named.__contains__, _TEXTS), *(name for name in named if name not in _TEXTS)):
            self.take(name, value[named[name]], depth - 1)

    def _fault(self, value: Mapping[str, Any]) -> None:
        """Return the message of FastAPI's form: one entry a fault, with its place."""
        place = value.get("loc")
        path = ".".join(map(str, place)) if isinstance(place, list) else ""
        self.texts.append(f"{path}: {value.get('msg', '')}" if path else str(value.get("msg", "")))

    def _text(self, name: str, value: str, depth: int) -> None:
        """Return a text, or another answer within it, as gateways hand on what their providers said."""
        if name and name not in _TEXTS:
            return
        before, brace, inner = value.partition("{")
        data = _loaded(brace + inner, None) if brace and name else None
        if isinstance(data, Mapping):
            self.texts.append(before.strip(" -:'b["))
            self.take(name, data, depth - 1)
        else:
            self.texts.append(_without_tags(value).strip())


def _loaded(text: str, otherwise: object = ...) -> object:
    """Read the JSON value that a text begins with; where there is none, the text itself or ``otherwise``.

    A number is none: "404: Not Found" begins with one.
    """
    try:
        value: object = json.JSONDecoder().raw_decode(text.lstrip("\ufeff \t\r\n"))[0]
    except (ValueError, RecursionError):
        value = 0
    if isinstance(value, int | float):
        return text if otherwise is ... else otherwise
    return value


def _without_tags(text: str) -> str:
    if "<" not in text:
        return text
    return re.sub(r"<(style|script|head)\b.*?</\1>|<[^>]*>", " ", text[:10_000], flags=re.DOTALL)


def _is_page(data: object) -> bool:
    return isinstance(data, str) and bool(re.match(r"\s*<(!doctype|html|head|body)", data[:200], re.IGNORECASE))


def tidy(text: str, secrets: Sequence[str]) -> str:
    """Return one short line of a server's text, without secrets or anything that looks like a key."""
    return shortened(_scrubbed(text, secrets))


def _scrubbed(text: str, secrets: Sequence[str]) -> str:
    return " ".join(_CONTROL.sub(" ", without_keys(text[:10_000], secrets)).split())


def without_keys(text: str, secrets: Sequence[str]) -> str:
    """Return a text with secrets, and all that looks like a key, blotted out."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return _KEY_LIKE.sub("***", text)
