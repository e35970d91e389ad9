"""What a refusal of a server means: read from any shape, said in one sentence and without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from selfagg.errors import ContextOverflow, ModelError
from selfagg.models.openai.waits import asked_wait
from selfagg.models.retries import Passing

LONGEST_MESSAGE: Final = 300
"""Characters of a server's own message that an error text repeats."""

_MOST_NODES: Final = 200
_DEEPEST: Final = 8
_TEXTS = (
    *("message", "msg", "error", "detail", "details", "errors", "error_message", "error_msg", "errormessage", "errmsg"),
    *("status_msg", "description", "error_description", "reason", "raw", "fault", "faultstring", "title", "base_resp"),
)
_CODES = ("code", "type", "status", "error_code", "errorcode", "status_code", "error_type", "__type")
_WAITS = (
    "retrydelay",
    "retry_delay",
    "estimated_time",
    "retry_after",
    "retryafter",
    "retry_after_seconds",
    "retry_after_ms",
)

_OVERFLOW_CODES = {"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"}
_OVERFLOW_WORDS = re.compile(
    r"(maximum|available|model's|exceeds? the) context (length|size|window)"
    r"|exceed.{0,60}context (length|size|window)"
    r"|context (length|size|window) (has been |is |was )?exceeded"
    r"|longer than the (model's )?context|context (length|size|window) of .{0,40}(tokens|exceed)"
    r"|(prompt|input|request|messages?) (is|are) too (long|large)|too many (input )?tokens"
    r"|input (token count|length) .{0,40}exceeds"
    r"|(input|prompt) .{0,40}exceeds? .{0,40}(max|limit)\w*"
    r"|inputs.{0,40}max_new_tokens. must be <="
    r"|(body|entity|payload|content) too large|reduce (the length of|your message|the prompt)",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(r"request too large", re.IGNORECASE)  # for a limit a minute: OpenAI says 429, Groq 413
_MONEY = re.compile(
    r"insufficient[_ ]?(account )?(balance|credits?|funds?|quota)|(balance|credits?|funds?) (is |are )?(too low|insufficient"
    r"|not enough|exhausted|used up|depleted)|out of credits?|(exceed\w*|over) .{0,30}budget|budget .{0,30}exceeded"
    r"|payment required|billing (hard )?limit|no (remaining )?credits?|account .{0,30}(suspended|deactivated|overdue|arrears)"
    r"|check your plan and billing|spending (cap|limit)|余额不足|欠费",
    re.IGNORECASE,
)
_LOADING = re.compile(r"\bloading\b|warming up|cold start|still starting|not ready|starting up", re.IGNORECASE)
_CROWDED = re.compile(
    r"rate.?limit|too many requests|throttl|overloaded|over capacity|at capacity|temporarily|try again later"
    r"|server (is )?busy|quota .{0,20}per (minute|second)|concurren\w+ (limit|exceeded)|速率限制",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"model.{0,80}(not (found|exist|available|supported)|does(n't| not) exist|no longer)"
    r"|(unknown|invalid|no such|unsupported) model|not a valid model|no (available )?(channel|endpoints?|provider)",
    re.IGNORECASE,
)
_MINIMAX: Final = {1002: 429, 1004: 401, 1008: 402, 1039: 429, 2013: 400, 2049: 401}
_MODERATED = re.compile(r"flagged|moderat|content|policy|safety|filter|harm", re.IGNORECASE)
_PLAIN_ON_TLS = re.compile(
    r"plain HTTP request was sent to HTTPS|client sent an HTTP request to an HTTPS", re.IGNORECASE
)
_NUMBER = r"(\d[\d,_]{0,14})"
_LIMITS = (
    re.compile(rf"context (?:length|size|window)[^\d]{{0,40}}{_NUMBER}", re.IGNORECASE),
    re.compile(rf"{_NUMBER} (?:tokens? )?(?:maximum|limit)", re.IGNORECASE),
    re.compile(rf"(?:maximum|limit|allowed|<=|max_model_len|max_seq_len)[^\d]{{0,40}}{_NUMBER}", re.IGNORECASE),
)
_PROMPT = re.compile(
    rf"too long: {_NUMBER}|{_NUMBER} (?:tokens? )?(?:in the (?:messages|prompt|input)|(?:of )?(?:text )?input|input tokens|prompt tokens)"
    rf"|(?:request|prompt|input) \({_NUMBER} tokens|(?:input|prompt) (?:has|contains)[^\d]{{0,20}}{_NUMBER}",
    re.IGNORECASE,
)
_REQUESTED = re.compile(rf"request(?:ed|ing)?[^\d]{{0,12}}{_NUMBER}", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_KEY_LIKE = re.compile(
    r"\b(sk|pk|key|gsk|hf|nvapi|xai|AIza)[-_]?[\w*.-]{12,}|\b(sk|pk|key|gsk|hf|nvapi)[-_][\w*.-]{8,}"
)


@dataclass(eq=False)
class Refusal(Exception):
    """An answer of status 400 or above, or an error in an answer of 200.

    Attributes:
        status: The HTTP status, or the status that the body names.
        message: The server's own words, shortened and scrubbed.
        words: The same at greater length.
        code: Its error codes and types, for comparison.
        param: The parameter it complains of, or ``""``.
        wait_s: Seconds it asks to be left alone.
        numbers: What its body tells in fields of their own (llama.cpp's ``n_ctx``, ``n_prompt_tokens``).
        page: Whether the answer was a web page.
    """

    status: int
    message: str
    code: frozenset[str] = frozenset()
    param: str = ""
    wait_s: float = 0.0
    numbers: Mapping[str, int] = field(default_factory=dict)
    page: bool = False
    words: str = ""

    def __post_init__(self) -> None:
        self.words = self.words or self.message
        self.message = shortened(self.message)

    @property
    def overflow(self) -> bool:
        """Whether the request is too large, for the context or for a limit on requests."""
        if self.code & _OVERFLOW_CODES or self.param == "input_tokens" or self.status == 413:
            return True
        if self.status in (400, 422, 429) and _TOO_LARGE.search(self.words):
            return True
        return self.status in (400, 422, 500) and bool(_OVERFLOW_WORDS.search(self.words))

    @property
    def money(self) -> bool:
        """Whether the account has no money left, as opposed to a limit that time lifts."""
        if "insufficient_quota" in self.code or self.status == 402:
            return True
        return not self.wait_s and self.status not in (413,) and bool(_MONEY.search(self.words))

    @property
    def loading(self) -> bool:
        """Whether the server is there and its model is not yet."""
        return self.status in (400, 404, 425, 500, 502, 503) and bool(_LOADING.search(self.words))

    @property
    def no_model(self) -> bool:
        """Whether the server says that it has no such model."""
        return bool(_NO_MODEL.search(self.words) or self.code & {"model_not_found", "model_not_exist"})

    @property
    def passing(self) -> bool:
        """Whether the same call may succeed later."""
        if self.overflow or self.money:
            return False
        if self.loading or (self.status < 500 and _CROWDED.search(self.words) and self.status != 404):
            return True
        return self.status in (408, 409, 425, 429, 498, 499) or (self.status >= 500 and self.status != 501)

    @property
    def limit(self) -> int | None:
        """The most tokens of prompt and reply together that the refusal names, or None."""
        if found := self.numbers.get("n_ctx"):
            return found
        for pattern in _LIMITS:
            numbers = [_number(match[1]) for match in pattern.finditer(self.words)]
            if numbers := [number for number in numbers if number >= 256]:
                return numbers[0]
        return None

    @property
    def prompt_tokens(self) -> int | None:
        """The tokens of the prompt that was refused, where the refusal tells them."""
        match = _PROMPT.search(self.words)
        said = _number(next(filter(None, match.groups()))) if match else None
        return self.numbers.get("n_prompt_tokens") or said

    @property
    def requested_tokens(self) -> int | None:
        """The tokens that the request is counted with, where the refusal tells them."""
        match = _REQUESTED.search(self.words)
        return _number(match[1]) if match else None

    def integers(self) -> list[int]:
        """Return the whole numbers in the message, in order."""
        return [_number(digits) for digits in re.findall(rf"(?<![\w.-]){_NUMBER}(?![\w-]|\.\d)", self.words)]

    def error(self, where: str, *, proven: bool, listed: bool = False, hint: str = "") -> Passing | ModelError:
        """Return the exception to raise.

        Args:
            where: Who refused.
            proven: Whether this connection has answered before. A 403 or 404 then concerns one call (a filter, a
                replica that is not ready), otherwise all; a wrong key and an empty purse always concern all.
            listed: Whether the server lists the model, so that a 404 concerns one call.
            hint: What to do, for the end of the sentence.
        """
        text = f"{where} answered {self.status}" + (f": {self.message}" if self.message else "") + hint
        if self.overflow:
            return ContextOverflow(text, status=400)
        if self.passing or (self.page and proven):
            return Passing(text, wait_s=self.wait_s or 3.0 * self.loading, status=self.status)
        every = self.status == 401 or self.money or bool(_PLAIN_ON_TLS.search(self.words))
        absent = (self.status in (404, 405) or self.no_model) and not listed
        forbidden = self.status == 403 and not _MODERATED.search(self.words)
        first = absent or forbidden or bool(hint)
        return ModelError(text, fatal=every or (first and not proven), status=self.status)


def refusal(status: int, body: str, headers: Mapping[str, str], secrets: Sequence[str]) -> Refusal:
    """Read a refusal from an answer.

    Args:
        status: HTTP status.
        body: The answer's text, JSON or not.
        headers: The answer's headers.
        secrets: What is never to be repeated.
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
    """What a walk through an error's body has found."""

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
        """FastAPI's form: one entry a fault, with its place."""
        place = value.get("loc")
        path = ".".join(map(str, place)) if isinstance(place, list) else ""
        self.texts.append(f"{path}: {value.get('msg', '')}" if path else str(value.get("msg", "")))

    def _text(self, name: str, value: str, depth: int) -> None:
        """A text, or another answer within it, as gateways hand on what their providers said."""
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
    """Read the JSON value that a text begins with; where there is none, the text itself or ``otherwise``."""
    try:
        value: object = json.JSONDecoder().raw_decode(text.lstrip("\ufeff \t\r\n"))[0]
    except (ValueError, RecursionError):
        return text if otherwise is ... else otherwise
    return value


def _without_tags(text: str) -> str:
    if "<" not in text:
        return text
    return re.sub(r"<(style|script|head)\b.*?</\1>|<[^>]*>", " ", text[:10_000], flags=re.DOTALL)


def _is_page(data: object) -> bool:
    return isinstance(data, str) and bool(re.match(r"\s*<(!doctype|html|head|body)", data[:200], re.IGNORECASE))


def _number(digits: str) -> int:
    return int(digits.replace(",", "").replace("_", ""))


def tidy(text: str, secrets: Sequence[str]) -> str:
    """Return one short line of a server's text, without secrets or anything that looks like a key."""
    return shortened(_scrubbed(text, secrets))


def _scrubbed(text: str, secrets: Sequence[str]) -> str:
    text = text[:10_000]
    for secret in secrets:
        text = text.replace(secret, "***")
    return " ".join(_KEY_LIKE.sub("***", _CONTROL.sub(" ", text)).split())


def shortened(text: str) -> str:
    """Return a text of at most `LONGEST_MESSAGE` characters."""
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 3] + "..."
