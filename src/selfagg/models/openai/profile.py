"""The facts that a connection learns of its server, from refusals and from replies; each is told once."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from selfagg.models.openai.discovery import estimate_tokens
from selfagg.models.openai.refusal import Refusal
from selfagg.types import Reply, Request, Stop

log = logging.getLogger("selfagg.openai")

LEAST_ROOM: Final = 256
"""The least room for a reply that is worth asking for where the prompt could be made shorter."""
NEUTRAL: Final[Mapping[str, Mapping[str, float]]] = {
    "vllm": {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
    "sglang": {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
    "llamacpp": {"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0},
    "openrouter": {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0},
}
"""Fields that switch off what a server would otherwise take from the checkpoint's generation_config.json, or from
defaults of its own, by the program that serves: so that the model's own distribution is sampled."""
ENGINES: Final = frozenset({"vllm", "sglang", "llamacpp"})
"""Programs that are known to answer whole replies well: streaming them would only cost."""
_LENGTHS: Final = ("max_tokens", "max_completion_tokens")

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
_NOTES = {
    "temperature": "refuses {field}={value}, so its own default applies",
    "top_p": "refuses {field}={value}, so its own default applies",
    "seed": "refuses seeds, so the same run will not give the same replies again",
    "logprobs": "gives no log-probabilities",
    "max_completion_tokens": "takes no limit on the length of a reply",
}


class Profile:
    """The facts learnt about a server; one for a connection, whatever the number of its replicas."""

    def __init__(self, where: str = "") -> None:
        """Start without any facts; ``where`` names the server in notes to a person."""
        self.program = ""  # that serves: vllm, sglang, llamacpp, ...
        self.fields: Mapping[str, float] = {}  # the neutral sampling fields that it is known to take
        self.context: int | None = None  # tokens of prompt and reply together, as the server or a cut prompt told
        self.proven = False  # a call was answered
        self._where = where
        self._refused: set[str] = set()
        self._most: int | None = None
        self._unfinished = 0
        self._streams: bool | None = None
        self._whole = False
        self._told: set[str] = set()
        self._cut: dict[int, int] = {}

    def tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            log.warning("note: %s", text)

    # -- what is sent

    def streams(self, request: Request, *, watched: bool = False) -> bool:
        """Return True if to stream a reply: where somebody watches, unless the server refused to.

        Gateways end connections that stay silent, so other replies are streamed too; not where the program that serves
        is known to send them whole, as taking a reply apart costs more than the rest of a call.
        """
        if watched or self._streams is not None:
            return self._streams is not False
        return not self._whole and self.program not in ENGINES and not request.verbatim

    def body(self, model: str, request: Request, *, stream: bool) -> dict[str, Any]:
        """Return the body of a request, in the words that this server takes."""
        sampling = request.sampling
        fields: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": min(filter(None, (sampling.max_tokens, self._most)), default=None),
            "stop": list(sampling.stop) or None,
            "reasoning_effort": sampling.reasoning_effort,
            "seed": request.seed,
            "logprobs": sampling.logprobs or None,
            "stream_options": {"include_usage": True} if stream else None,
        }
        if not sampling.server_defaults:
            fields |= self.fields
            fields["top_p"] = 1.0 if sampling.top_p is None else sampling.top_p
        if "max_tokens" in self._refused:
            fields["max_completion_tokens"] = fields["max_tokens"]
        left_out = {field for field in self._refused if self._given_up(field, request)}
        sent = {name: value for name, value in fields.items() if value is not None and name not in left_out}
        messages = [dict(message) for message in request.messages]
        return sent | dict(sampling.extra_body) | {"model": model, "messages": messages, "stream": stream}

    def _given_up(self, field: str, request: Request) -> bool:
        """Return True if the reply means the same without a field."""
        sampling = request.sampling
        if field == "temperature":
            return sampling.temperature == 1.0  # the API's own default
        if field == "top_p":
            return sampling.top_p in (None, 1.0)
        return field not in ("reasoning_effort", "messages", "model", "stream") and field not in sampling.extra_body

    # -- what refusals teach

    def learn(self, refusal: Refusal, request: Request, body: Mapping[str, Any]) -> Request | None:
        """Take a refusal to heart; return the request to send again in other words, or None if that is of no use."""
        if refusal.overflow:
            return self._shorter(refusal, request, body)
        if refusal.status not in (400, 404, 405, 415, 422, 500, 501) or refusal.money:
            return None
        learnt = self._learn_streaming(refusal, body["stream"]) or self._learn_length(refusal, body)
        return request if learnt or self._learn_field(refusal, request, body) else None

    def slow(self, body: Mapping[str, Any]) -> None:
        """Stream from now on: a whole reply did not come in time, or its connection was lost."""
        if self._streams is None and not body["stream"]:
            self._streams = True

    def unfinished(self) -> None:
        """Ask for whole replies from now on where streams do not tell that they are whole, again and again."""
        self._unfinished += 1
        self._whole = self._whole or self._unfinished > 1

    def _learn_streaming(self, refusal: Refusal, stream: bool) -> bool:
        """Turn streaming on or off; a call that went out before another one learnt it goes out again as well."""
        about = _NO_STREAM if stream else _ONLY_STREAMS
        if not ((stream and refusal.param == "stream") or about.search(refusal.words)):
            return False
        if self._streams is None:
            self._streams = not stream
        return self._streams is not stream

    def _learn_length(self, refusal: Refusal, body: Mapping[str, Any]) -> bool:
        """Keep to the longest reply that a refusal names, below the length that was asked for."""
        asked = _asked_length(body)
        if asked is None or not (_REPLY_LIMIT.search(refusal.words) or refusal.param in _LENGTHS):
            return False
        named = max((number for number in refusal.integers() if 16 <= number < asked), default=None)
        if named is None:
            return False
        exclusive = named % 2 and "or equal" not in refusal.words and _EXCLUSIVE.search(refusal.words)
        self._most = named - 1 if exclusive else named
        self.tell(f"{self._where} writes at most {self._most:,} tokens in a reply, which is kept to (--max-tokens)")
        return True

    def _learn_field(self, refusal: Refusal, request: Request, body: Mapping[str, Any]) -> bool:
        """Leave out the first field that is complained of and can be missed."""
        for field in self._complained(refusal, body):
            if not self._given_up(field, request):
                continue
            if field == "max_completion_tokens" and "max_tokens" not in self._refused:
                continue
            if field not in self._refused:
                self._refused.add(field)
                note = _NOTES["temperature"] if field in self.fields else _NOTES.get(field)
                if note:
                    self.tell(f"{self._where} {note.format(field=field, value=body[field])}")
            return True
        return False

    def _complained(self, refusal: Refusal, body: Mapping[str, Any]) -> list[str]:
        """Return those of this connection's own fields that a refusal is about, those first that are missed least."""
        named = (*self.fields, "seed", "top_p", "stream_options", "logprobs", *_LENGTHS)
        own = [name for name in (*named, "stop", "temperature", "reasoning_effort") if name in body]
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

    def wish_refused(self, refusal: Refusal, body: Mapping[str, Any]) -> str:
        """Return the words for a refusal of a setting that cannot be left out; ``""`` for others."""
        if refusal.status not in (400, 422) or refusal.overflow:
            return ""
        names = self._complained(refusal, body)
        return f" (set by --{names[0].removesuffix('_completion').replace('_', '-')})" if names else ""

    def _shorter(self, refusal: Refusal, request: Request, body: Mapping[str, Any]) -> Request | None:
        """Make the room for the reply smaller where a limit on prompt and reply together leaves enough of it."""
        limit, asked = refusal.limit, _asked_length(body)
        if limit is None or asked is None:
            return None
        if self.context is None or limit < self.context:
            self.context = limit
            self.tell(f"{self._where} takes at most {limit:,} tokens of prompt and reply together, which is kept to")
        requested = refusal.requested_tokens or 0
        prompt = refusal.prompt_tokens or (requested - asked if requested > asked else None)
        prompt = estimate_tokens(request.messages) if prompt is None else prompt + 32
        room = limit - prompt
        if not LEAST_ROOM <= room < asked:
            return None
        return replace(request, sampling=replace(request.sampling, max_tokens=room))

    # -- what replies teach

    def saw(self, reply: Reply, request: Request, body: Mapping[str, Any]) -> Reply:
        """Look at a reply for what is wrong with it in silence; return it, ended where a stop string should have."""
        self.proven, self._unfinished = True, 0
        if reply.reasoning and not reply.text.strip() and reply.stop is not Stop.LENGTH and not reply.choice:
            self.tell(
                f"{self._where} sent a reply with reasoning and no answer: its reasoning parser may not fit the model"
            )
        self._whole = self._whole or bool(body["stream"] and reply.usage.unknown)  # a whole reply may tell its tokens
        self._see_prompt(reply, request)
        if "stop" in self._refused and request.sampling.stop:
            ends = [at for word in request.sampling.stop if (at := reply.text.find(word)) >= 0]
            return replace(reply, text=reply.text[: min(ends)]) if ends else reply
        return reply

    def _see_prompt(self, reply: Reply, request: Request) -> None:
        """Notice a prompt that the server cut to its window, as Ollama does without a word.

        The count is then far below any that the text can have, and a round number or that of another prompt.
        """
        count = reply.usage.prompt
        size = sum(len(content) for message in request.messages if isinstance(content := message.get("content"), str))
        if count < 512 or size < 6 * count:
            return
        again = abs(self._cut.setdefault(count, size) - size) > size // 50
        if (count % 256 and not again) or estimate_tokens(request.messages) < 3 * count:
            return
        window = count if count % 256 == 0 else count + (request.sampling.max_tokens or 0)
        self.context = min(self.context or window, window)
        self.tell(
            f"{self._where} cut a prompt: of {size:,} characters it counts {count:,} tokens. Prompts are kept to a "
            f"context of {self.context:,} tokens from now on; for more, enlarge the server's (Ollama: num_ctx or "
            "OLLAMA_CONTEXT_LENGTH) and name it by --context"
        )


def _asked_length(body: Mapping[str, Any]) -> int | None:
    return next((value for name in _LENGTHS if isinstance(value := body.get(name), int)), None)
