"""The meaning of a server's refusal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from selfagg.errors import ContextOverflow, ModelError
from selfagg.models.retries import TransientError

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
    """An answer of status 400 or above, or an error in an answer of 200.

    Attributes:
        status: The HTTP status, or the status that the body names.
        message: The server's own words, shortened and scrubbed.
        words: The same at greater length.
        code: Its error codes and types, for comparison.
        param: The parameter it complains of, or ``""``.
        wait_s: Seconds it asks to be left alone.
        numbers: Numbers in fields of its body (llama.cpp's ``n_ctx``, ``n_prompt_tokens``).
        page: True if the answer was a web page.
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
        return not self.wait_s and self.status not in (413,) and bool(_MONEY.search(self.words))

    @property
    def loading(self) -> bool:
        """Return True if the server is there and its model is not yet."""
        return self.status in (400, 404, 425, 500, 502, 503) and bool(_LOADING.search(self.words))

    @property
    def no_model(self) -> bool:
        """Return True if the server says that it has no such model."""
        return bool(
            _NO_MODEL.search(self.words) or self.code & {"model_not_found", "model_not_exist", "DeploymentNotFound"}
        )

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
        for pattern in _LIMITS:
            numbers = [_number(match[1]) for match in pattern.finditer(self.words)]
            if numbers := [number for number in numbers if number >= 256]:
                return numbers[0]
        return None

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
        """Return the whole numbers in the message, in order."""
        return [_number(digits) for digits in re.findall(rf"(?<![\w.-]){_NUMBER}(?![\w-]|\.\d)", self.words)]

    def error(self, where: str, *, proven: bool, listed: bool = False, hint: str = "") -> TransientError | ModelError:
        """Return the exception to raise.

        Args:
            where: Name of the server that refused.
            proven: True if this connection has answered before. A 403 or 404 then concerns one call (a filter, a
                replica that is not ready), otherwise all; a wrong key and an empty purse always concern all.
            listed: True if the server lists the model, so that a 404 concerns one call.
            hint: Advice for the end of the sentence.
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


def shortened(text: str) -> str:
    """Return a text of at most `LONGEST_MESSAGE` characters."""
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 3] + "..."


def _number(digits: str) -> int:
    return int(digits.replace(",", "").replace("_", ""))
