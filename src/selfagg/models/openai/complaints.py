"""The subject of a refusal's complaint: a field of the request, the length of the reply, streaming."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from selfagg.models.openai.refusal import Refusal

LENGTHS: Final = ("max_tokens", "max_completion_tokens")
"""The names of the field that limits a reply's length."""

_ONLY_STREAMS = re.compile(
    r"only (supports? |accepts? |allows? )?(the )?stream|stream\w* (mode )?(is )?(required|mandatory)|requires? stream"
    r"|must (be|use) stream|stream\W{1,3}(parameter )?(must|should|has to) be (set to )?.?true|enable (the )?.?stream"
    r"|set .?stream.?\W{0,3}(=|to)\W{0,3}true|non.?stream\w* .{0,40}(not|unsupported)"
    r"|not support(ed)? .{0,20}non.?stream",
    re.IGNORECASE,
)
_NO_STREAM = re.compile(
    r"stream\w*\W{0,2} .{0,30}(not|n't|un)\W?(be )?(support|allow|available|enabled|permitted|implemented)"
    r"|(not|n't) (support|allow|implement)\w* stream|unsupported.{0,20}\bstream"
    r"|must be verified to stream",
    re.IGNORECASE,
)
_COMPLAINT = re.compile(
    r"unsupported|not (a |currently )?(supported?|permitted|allowed|recogni[sz]ed|valid|available|accepted)|n't support"
    r"|unknown|unrecogni[sz]ed|unexpected|\bextra\b|additional propert|cannot (find|both|be)"
    r"|only .{0,20}(allowed|supported)|deprecated|invalid|illegal|no longer|must|not one of|remove",
    re.IGNORECASE,
)
_REPLY_LIMIT = re.compile(
    r"max(imum)?[_ ]?(completion|output|new)?[_ ]?tokens|(completion|output|new|generated) tokens", re.IGNORECASE
)
_EXCLUSIVE = re.compile(r"exclusive|less than (?!or)|< ?\d", re.IGNORECASE)
_UNSUPPORTED = re.compile(r"support|unknown|unrecogni", re.IGNORECASE)
_QUOTED = re.compile(r"[`'\"‘“]([\w.]+)[`'\"’”]")
_GENERAL = {"invalid_request_error", "INVALID_ARGUMENT", "invalid_parameter_error"}
_PLAIN_WORDS = {"stop": r"(parameter|argument|field|property|model:|->)\W{0,3}stop\b"}
"""The forms in which fields' names that are also words must stand to be meant."""


def of_streaming(refusal: Refusal, *, stream: bool) -> bool:
    """Return True if a refusal is about a reply being streamed, or not being streamed."""
    if stream and refusal.param == "stream":
        return True
    return bool((_NO_STREAM if stream else _ONLY_STREAMS).search(refusal.words))


def asked_length(body: Mapping[str, Any]) -> int | None:
    """Return the length of a reply that a body asks for."""
    return next((value for name in LENGTHS if isinstance(value := body.get(name), int)), None)


def longest_reply(refusal: Refusal, asked: int) -> int | None:
    """Return the longest reply that a refusal names as allowed, below the length that was asked for."""
    if not (_REPLY_LIMIT.search(refusal.words) or refusal.param in LENGTHS):
        return None
    named = max((number for number in refusal.integers() if 16 <= number < asked), default=None)
    if named and named % 2 and "or equal" not in refusal.words and _EXCLUSIVE.search(refusal.words):
        return named - 1
    return named


def fields(refusal: Refusal, own: Sequence[str]) -> list[str]:
    """Return those of these fields that a refusal is about, in their order."""
    if (param := refusal.param.rpartition(".")[2]) in own:
        return [param]
    if refusal.status >= 500 and not _UNSUPPORTED.search(refusal.words):
        return []
    quoted = {name.rpartition(".")[2] for name in _QUOTED.findall(refusal.words)}
    if found := [name for name in own if name in quoted]:
        return found
    if not _COMPLAINT.search(refusal.words + " ".join(refusal.code - _GENERAL)):
        return []
    return [name for name in own if re.search(_PLAIN_WORDS.get(name, rf"\b{name}\b"), refusal.words)]
