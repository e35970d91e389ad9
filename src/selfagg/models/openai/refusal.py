"""The meaning of a server's refusal: read from any shape, worded for a person, with the wait that it asks for."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Final

from selfagg.errors import ContextOverflow, ModelError
from selfagg.models.pace import TransientError

LONGEST_MESSAGE: Final = 300
"""Characters of a server's own message that an error text repeats."""

_OVERFLOW_CODES = {"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"}
_OVERFLOW_WORDS = re.compile(
    r"(maximum|available|model's|exceeds? the|(longer|greater) than the) context (length|size|window)"
    r"|exceed.{0,60}context (length|size|window)|context (length|size|window) (has been |is |was )?exceed"
    r"|context (length|size|window) of .{0,40}(tokens|exceed)|maximum prompt length is"
    r"|(prompt|input|request|messages?) (is|are) too (long|large)|too many (input )?tokens"
    r"|input (tokens?|token count|length) .{0,40}exceed"
    r"|(input|prompt|request|size) .{0,40}exceeds? .{0,40}(max|limit)\w*"
    r"|token limit exceeded|exceed\w* .{0,20}token limit|inputs.{0,40}max_new_tokens. must be <="
    r"|(body|entity|payload|content) too large|reduce (the length of|your message|the prompt)",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(r"request too large", re.IGNORECASE)  # for a limit a minute: OpenAI says 429, Groq 413
_THROTTLED = re.compile(r"throttl|too many requests|please wait", re.IGNORECASE)  # Bedrock: "Too many tokens, ..."
_MONEY = re.compile(
    r"insufficient[_ ]?(account )?(balance|credits?|funds?|quota)|out of credits?|no (remaining )?credits?"
    r"|(balance|credits?|funds?) (is |are )?(too low|insufficient|not enough|exhausted|used up|depleted)"
    r"|(exceed\w*|over) .{0,30}budget|budget .{0,30}exceeded|payment required|billing (hard )?limit"
    r"|account .{0,30}(suspended|deactivated|overdue|arrears)|check your plan and billing|spending (cap|limit)"
    r"|余额不足|欠费",
    re.IGNORECASE,
)
_LOADING = re.compile(r"\bloading\b|warming up|cold start|still starting|not ready|starting up", re.IGNORECASE)
_CROWDED = re.compile(
    r"rate.?limit|too many requests|throttl|overloaded|over capacity|at capacity|temporarily|try again later"
    r"|server (is )?busy|quota .{0,20}per (minute|second)|concurren\w+ (limit|exceeded)|速率限制",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"(model|deployment).{0,80}(not (found|exist|available|supported)|does(n't| not) exist|no longer)"
    r"|(unknown|invalid|no such|unsupported) model|not a valid model|no (available )?(channel|endpoints?|provider)",
    re.IGNORECASE,
)
_MODERATED = re.compile(r"flagged|moderat|content|policy|safety|filter|harm", re.IGNORECASE)
_PLAIN_ON_TLS = re.compile(
    r"plain HTTP request was sent to HTTPS|client sent an HTTP request to an HTTPS", re.IGNORECASE
)
_BYTES = re.compile(r"\bbytes?\b|\d ?[km]i?b\b|body|entity|payload", re.IGNORECASE)
_NUMBER = r"(\d[\d,_]{0,14})"
_LIMITS = (
    re.compile(rf"context (?:length|size|window)[^\d]{{0,40}}{_NUMBER}", re.IGNORECASE),
    re.compile(rf"{_NUMBER} (?:tokens? )?(?:maximum|limit)", re.IGNORECASE),
    re.compile(rf"(?:maximum|limit|allowed|<=|max_model_len|max_seq_len)[^\d]{{0,40}}{_NUMBER}", re.IGNORECASE),
)
_PROMPT = re.compile(
    rf"too long: {_NUMBER}|{_NUMBER} (?:tokens? )?(?:in the (?:messages|prompt|input)|(?:of )?(?:text )?input|prompt)"
    rf"|(?:request|prompt|input) \({_NUMBER} tokens|(?:input|prompt) (?:has|contains)[^\d]{{0,20}}{_NUMBER}",
    re.IGNORECASE,
)
_REQUESTED = re.compile(rf"(?:request(?:ed|ing)?|current length is)[^\d]{{0,12}}{_NUMBER}", re.IGNORECASE)


@dataclass(eq=False)
class Refusal(Exception):
    """An answer of status 400 or above, or an error in an answer of 200."""

    status: int  # of HTTP, or the one that the body names
    message: str  # the server's own words, shortened and scrubbed
    code: frozenset[str] = frozenset()  # error codes and types, for comparison
    param: str = ""  # the parameter it complains of
    wait_s: float = 0.0  # seconds it asks to be left alone
    numbers: Mapping[str, int] = field(default_factory=dict)  # llama.cpp's n_ctx and n_prompt_tokens
    page: bool = False  # the answer was a web page
    words: str = ""  # as the message, at greater length

    def __post_init__(self) -> None:
        self.words = self.words or self.message
        self.message = _shortened(self.message)

    @property
    def overflow(self) -> bool:
        """Return True if the request is too large, for the context or for a limit on requests."""
        if self.code & _OVERFLOW_CODES or self.param == "input_tokens" or self.status == 413:
            return True
        if self.status in (400, 422, 429) and _TOO_LARGE.search(self.words):
            return True
        if self.status not in (400, 422, 500) or _THROTTLED.search(self.words):
            return False
        return bool(_OVERFLOW_WORDS.search(self.words))

    @property
    def money(self) -> bool:
        """Return True if the account has no money left, as opposed to a limit that time lifts."""
        if "insufficient_quota" in self.code or self.status == 402:
            return True
        return not self.wait_s and self.status != 413 and bool(_MONEY.search(self.words))

    @property
    def loading(self) -> bool:
        """Return True if the server is there and its model is not yet."""
        return self.status in (400, 404, 425, 500, 502, 503) and bool(_LOADING.search(self.words))

    @property
    def no_model(self) -> bool:
        """Return True if the server says that it has no such model."""
        codes = {"model_not_found", "model_not_exist", "DeploymentNotFound"}
        return bool(_NO_MODEL.search(self.words) or self.code & codes)

    @property
    def passing(self) -> bool:
        """Return True if the same call may succeed later."""
        if self.overflow or self.money:
            return False
        if self.loading or (self.status < 500 and _CROWDED.search(self.words) and self.status != 404):
            return True
        return self.status in (408, 409, 425, 429, 498, 499) or (self.status >= 500 and self.status != 501)

    @property
    def limit(self) -> int | None:
        """Return the most tokens of prompt and reply together that the refusal names, or None."""
        if (found := self.numbers.get("n_ctx")) or _BYTES.search(self.words):
            return found
        named = (_number(match[1]) for pattern in _LIMITS for match in pattern.finditer(self.words))
        return next((number for number in named if number >= 256), None)

    @property
    def prompt_tokens(self) -> int | None:
        """Return the tokens of the prompt that was refused, where the refusal tells them."""
        match = _PROMPT.search(self.words)
        said = _number(next(filter(None, match.groups()))) if match else None
        return self.numbers.get("n_prompt_tokens") or said

    @property
    def requested_tokens(self) -> int | None:
        """Return the tokens that the request is counted with, where the refusal tells them."""
        match = _REQUESTED.search(self.words)
        return _number(match[1]) if match else None

    def integers(self) -> list[int]:
        return [_number(digits) for digits in re.findall(rf"(?<![\w.-]){_NUMBER}(?![\w-]|\.\d)", self.words)]

    def error(self, where: str, *, proven: bool, listed: bool = False, hint: str = "") -> TransientError | ModelError:
        """Return the exception to raise.

        Where the connection was answered before (``proven``), a 403 or 404 concerns one call (a filter, a replica that
        is not ready), otherwise all, and so does a 404 where the model is ``listed``. A wrong key and an empty purse
        always concern all.
        """
        text = f"{where} answered {self.status}" + (f": {self.message}" if self.message else "") + hint
        if self.overflow:
            return ContextOverflow(text, status=400)
        if self.passing or (self.page and proven):
            return TransientError(text, wait_s=self.wait_s or 3.0 * self.loading, status=self.status)
        every = self.status in (401, 407) or self.money or bool(_PLAIN_ON_TLS.search(self.words))
        absent = (self.status in (404, 405) or self.no_model) and not listed
        forbidden = self.status == 403 and not _MODERATED.search(self.words)
        first = absent or forbidden or bool(hint)
        return ModelError(text, fatal=every or (first and not proven), status=self.status)


def _number(digits: str) -> int:
    return int(digits.replace(",", "").replace("_", ""))


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 3] + "..."


# -- errors as servers send them: JSON in any nesting, text, web pages, errors within a 200

_TEXTS = (
    *("message", "msg", "error", "detail", "details", "errors", "error_message", "error_msg", "errormessage", "errmsg"),
    *("status_msg", "description", "error_description", "reason", "raw", "fault", "faultstring", "title", "base_resp"),
)
_CODES = ("code", "type", "status", "error_code", "errorcode", "status_code", "error_type", "__type")
_WAITS = (
    *("retrydelay", "retry_delay", "estimated_time"),
    *("retry_after", "retryafter", "retry_after_seconds", "retry_after_ms"),
)
_MINIMAX: Final = {"1002": 429, "1004": 401, "1008": 402, "1039": 429, "2013": 400, "2049": 401}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_KEY_LIKE = re.compile(r"\b(sk|pk|key|gsk|hf|nvapi|xai)[-_][\w*.-]{8,}|\bAIza[\w-]{20,}")
_TAGS = re.compile(r"<(style|script|head)\b.*?</\1>|<[^>]*>", re.DOTALL)


def refusal(
    status: int, body: object, headers: Mapping[str, str] | None = None, secrets: Sequence[str] = ()
) -> Refusal:
    """Read a refusal from an answer: text, which may be JSON or a web page, or a value; never repeat ``secrets``."""
    data = _loaded(body, body) if isinstance(body, str) else body
    texts: list[str] = []
    codes, waits, numbers, param = set[str](), dict[str, object](), dict[str, int](), ""
    for name, value in islice(_values("", data, 8), 200):
        if isinstance(value, str) and (name in ("", *_TEXTS) or (name in ("param", "parameter") and " " in value)):
            texts.append(value)
        if name in _CODES and isinstance(value, str | int):
            codes.add(str(value))
        elif name in _WAITS and isinstance(value, str | int | float):
            waits[name] = value
        elif name in ("n_ctx", "n_prompt_tokens") and isinstance(value, int):
            numbers[name] = value
        elif name in ("param", "parameter") and isinstance(value, str):
            param = param or value
    words = _scrubbed(": ".join(dict.fromkeys(filter(None, texts))), secrets)
    page = isinstance(data, str) and data[:200].lstrip().lower().startswith(("<!doctype", "<html", "<head", "<body"))
    return Refusal(status, words, frozenset(codes), param, asked_wait(headers or {}, waits, words), numbers, page)


def _values(name: str, value: object, depth: int) -> Iterator[tuple[str, object]]:
    """Yield the values of an error's body with their names, those that say most first."""
    if depth < 0:
        return
    if isinstance(value, Mapping) and "loc" in value:  # FastAPI's form: one entry a fault, with its place
        place, said = value["loc"], str(value.get("msg", ""))
        path = ".".join(map(str, place)) if isinstance(place, list) else ""
        yield "msg", f"{path}: {said}" if path else said
    elif isinstance(value, Mapping):
        named = {str(key).lower(): key for key in value}
        for key in (*filter(named.__contains__, _TEXTS), *(key for key in named if key not in _TEXTS)):
            yield from _values(key, value[named[key]], depth - 1)
    elif isinstance(value, list):
        for one in value:
            yield from _values(name, one, depth - 1)
    elif isinstance(value, str) and name in ("", *_TEXTS):
        before, brace, inner = value.partition("{")
        data = _loaded(brace + inner, None) if brace and name else None
        if isinstance(data, Mapping):  # an answer within the text: gateways hand on what their providers said
            yield name, before.strip(" -:'b[")
            yield from _values(name, data, depth - 1)
        else:
            yield name, (_TAGS.sub(" ", value[:10_000]) if "<" in value else value).strip()
    else:
        yield name, value


def _loaded(text: str, otherwise: object) -> object:
    """Read the JSON value that a text begins with; a number is none: "404: Not Found" begins with one."""
    try:
        value: object = json.JSONDecoder().raw_decode(text.lstrip("\ufeff \t\r\n"))[0]
    except (ValueError, RecursionError):
        return otherwise
    return otherwise if isinstance(value, int | float) else value


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
        return _MINIMAX.get(str(told["status_code"]), 502)
    error = answer.get("error") or answer.get("errors") or (answer.get("object") == "error" and answer)
    if not error:
        return None
    said = [str(part.get(name)) for part in (error, answer) if isinstance(part, Mapping) for name in ("code", "status")]
    return next((int(code) for code in said if re.fullmatch("[45][0-9][0-9]", code)), 502)


def tidy(text: str, secrets: Sequence[str]) -> str:
    """Return one short line of a server's text, without secrets or anything that looks like a key."""
    return _shortened(_scrubbed(text, secrets))


def _scrubbed(text: str, secrets: Sequence[str]) -> str:
    return " ".join(_CONTROL.sub(" ", without_keys(text[:10_000], secrets)).split())


def without_keys(text: str, secrets: Sequence[str]) -> str:
    """Return a text with secrets, and all that looks like a key, blotted out."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return _KEY_LIKE.sub("***", text)


# -- the wait that a server asks for: in headers, in fields of the body, in words

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_AMOUNT = r"\d{1,15}(?:\.\d{1,9})?"
_UNIT = r"ms|milli\w{0,10}|h(?:ou)?r?s?|m(?:in(?:ute)?s?)?|s(?:ec(?:ond)?s?)?|d(?:ays?)?"
_SPAN = re.compile(rf"({_AMOUNT})\s{{0,3}}({_UNIT})(?![a-z])", re.IGNORECASE)
_SPANS = re.compile(rf"(?:{_AMOUNT}\s{{0,3}}(?:{_UNIT})(?![a-z])[\s,and]{{0,6}})+", re.IGNORECASE)
_WORDS = re.compile(
    r"(?:try(?:ing)? again|retry(?:ing)?(?:[- ]after)?|wait|resets?|available again|back off)[^\d.\n]{0,40}",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"\d{1,12}(?:\.\d{1,9})?(?![\w-])")
_EPOCH: Final = 1e9
"""A number above this is a time of day, in seconds or milliseconds since 1970, and no length of time."""


def asked_wait(headers: Mapping[str, str], fields: Mapping[str, object], words: str) -> float:
    """Return the seconds that a refusal's headers, fields (``retryDelay``) or words ask to wait; 0.0 for nothing."""
    known = {name.lower(): value for name, value in headers.items()}
    now = _date(known.get("date", "")) or datetime.now(UTC)  # the server's clock, which may be wrong, sets its dates
    hints = [_seconds(f"{known.get('retry-after-ms', '')}ms", now), _seconds(known.get("retry-after", ""), now)]
    hints += [_seconds(str(value) + ("ms" if name.endswith("ms") else ""), now) for name, value in fields.items()]
    spent, others = [0.0], [0.0]  # seconds until the limits that are used up begin anew, and those that are not
    for name, value in known.items():
        if "ratelimit" in name and "reset" in name:
            left = known.get(name.replace("reset", "remaining"), "").strip()
            (spent if left in ("0", "0.0") else others).append(_seconds(value, now))
    hints += [wait_in_words(words), max(spent), min(filter(None, others), default=0.0)]
    return next(filter(None, hints), 0.0)


def wait_in_words(text: str) -> float:
    """Return the seconds of "try again in 1m20.5s", "retry after 20 seconds" and their like; else 0.0."""
    for match in _WORDS.finditer(text):
        if spans := _SPANS.match(text, match.end()):
            return _length(spans[0])
        if plain := _PLAIN.match(text, match.end()):
            return float(plain[0]) if float(plain[0]) < _EPOCH else 0.0
    return 0.0


def _seconds(text: str, now: datetime) -> float:
    """Read seconds, a length with units, a time of day or a date; 0.0 where it is none."""
    text = text.strip()
    try:
        number = float(text)
    except ValueError:
        if spans := _SPANS.fullmatch(text):
            return _length(spans[0])
        date = _date(text)
        return max(0.0, (date - now).total_seconds()) if date else 0.0
    if _EPOCH < number < 1e14:
        number = number / (1000 if number > 1e11 else 1) - now.timestamp()
    return max(0.0, number) if math.isfinite(number) else 0.0


def _length(text: str) -> float:
    spans = [(float(number), unit.lower()) for number, unit in _SPAN.findall(text)]
    return sum(number * _UNITS["ms" if unit.startswith(("ms", "milli")) else unit[0]] for number, unit in spans)


def _date(text: str) -> datetime | None:
    """Read an HTTP date or one of ISO 8601."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            date = read(text.strip())
            return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, IndexError, TypeError, OverflowError):
            continue
    return None
