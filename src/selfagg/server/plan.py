"""What a request asks for, worked out before the first call: the method, the question, how members are sampled."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selfagg.engine.engine import Settings
from selfagg.engine.run import Choice
from selfagg.errors import UsageError
from selfagg.methods import METHODS, Method, method_named
from selfagg.prompts.candidates import view_named
from selfagg.scoring import incomparable
from selfagg.server.conversation import question_of
from selfagg.server.errors import refused
from selfagg.server.fields import sorted_out, without_use
from selfagg.server.names import suffix_of
from selfagg.server.schemas import ChatRequest, Envelope, Progress, RsaOptions, read
from selfagg.server.settings import Limits, ServeSettings
from selfagg.types import Question, Sampling


@dataclass(frozen=True)
class Plan:
    """One deliberation.

    Attributes:
        request: The request.
        method: The method with its settings.
        choice: One member of the last population, or its vote.
        count: How many answers (the API's ``n``).
        question: The conversation.
        settings: How every member is sampled; the seed from which all sets follow.
        last: How the last population is sampled.
        max_total_tokens: Tokens after which the best answer at hand is given.
        deadline_s: Seconds after which it is given.
        progress: How a stream tells of the work.
    """

    request: ChatRequest
    method: Method
    choice: Choice
    count: int
    question: Question
    settings: Settings
    last: Sampling
    max_total_tokens: int | None
    deadline_s: float | None
    progress: Progress


def planned(body: Mapping[str, Any], served: str, settings: ServeSettings, *, forwards: bool) -> Plan | None:
    """How a request is to be deliberated; None for a plain call that the model's own server can answer.

    Args:
        body: The request as it came.
        served: The model's name.
        settings: The server's defaults and limits.
        forwards: Whether the model is behind a server of this API.

    Raises:
        ApiError: Something asked for cannot be.
    """
    envelope = read(Envelope, body)
    suffix = suffix_of(envelope.model, served)
    given = envelope.rsa if isinstance(envelope.rsa, RsaOptions) else None
    options = suffix | (given.model_dump(exclude_unset=True, exclude_none=True) if given else {})
    # Tools go through plainly, unless the request asks in so many words for a deliberation.
    asked = bool(suffix or given or envelope.rsa)
    plain = envelope.rsa is False or (envelope.has_tools and not asked)
    name = "single" if plain else options.get("method", settings.method)
    if forwards and (plain or (name == "single" and set(options) <= {"method"})):
        return None
    if envelope.has_tools and options.get("answer") == "majority":  # a call has no text to vote with
        raise refused("rsa.answer: with tools the answer is one member's: use 'sample'", "rsa.answer")
    return _plan(read(ChatRequest, body), body, name, {} if plain else options, settings, forwards=forwards)


def _plan(
    request: ChatRequest,
    body: Mapping[str, Any],
    name: str,
    options: Mapping[str, Any],
    settings: ServeSettings,
    *,
    forwards: bool,
) -> Plan:
    count = request.n or 1
    question = question_of(body["messages"], options.get("kind", "text"))
    compares = not incomparable(question)
    choice: Choice = options.get("answer", settings.answer if compares and not request.tools else "sample")
    method = _method(name, options, settings, count, compares=compares)
    if count > method.size(method.t):
        raise refused(f"n: {count} answers out of a population of {method.size(method.t)}", "n", "invalid_value")
    if request.logprobs and not forwards:
        raise refused("logprobs: a model that runs in the server's own process hands none out", "logprobs")
    every, last = sorted_out(body, forwards=forwards)
    candidate = options.get("candidate", settings.candidate)
    try:
        view_named(candidate)
    except UsageError as error:
        raise refused(str(error), "rsa.candidate", "invalid_value") from None
    sampling = Sampling(
        temperature=1.0 if request.temperature is None else request.temperature,
        top_p=request.top_p,
        max_tokens=request.max_completion_tokens or request.max_tokens,
        reasoning_effort=request.reasoning_effort,
        extra_body=every | without_use(last),
        server_defaults=settings.server_defaults,
    )
    top = {"top_logprobs": request.top_logprobs} if request.logprobs and request.top_logprobs is not None else {}
    seed = request.seed if request.seed is not None else secrets.randbelow(2**31)
    return Plan(
        request=request,
        method=method,
        choice=choice,
        count=count,
        question=question,
        settings=Settings(sampling, seed, candidate),
        last=dataclasses.replace(
            sampling,
            stop=(request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ()),
            logprobs=bool(request.logprobs),
            extra_body=every | last | top,
        ),
        max_total_tokens=options.get("max_total_tokens"),
        deadline_s=options.get("deadline_s"),
        progress=options.get("progress", "reasoning"),
    )


def _method(name: str, options: Mapping[str, Any], settings: ServeSettings, count: int, *, compares: bool) -> Method:
    """The method with what was asked for, the server's settings where nothing was, within the server's limits.

    Args:
        name: Its name.
        options: What was asked for.
        settings: The server's.
        count: How many answers are wanted.
        compares: Whether answers to the question can be compared; else the server's own stop and copy stay off.

    Raises:
        ApiError: No such method, impossible or too large a size, or a rule for answers that cannot be compared.
    """
    if name not in METHODS:
        raise refused(f"rsa.method: there is no method {name[:100]!r}; there are {', '.join(METHODS)}", "rsa.method")
    sizes = _sizes(name, settings) | {
        key: options[key] for key in ("n", "k", "t", "order", "stop", "copy") if key in options
    }
    if "k" in sizes and "k" not in options:
        sizes["k"] = min(sizes["k"], sizes["n"])
    if name == "single" and "n" not in options:
        sizes["n"] = count
    _check_limits(sizes, settings.limits)
    if name == "rsa" and compares:
        sizes = {"stop": settings.stop, "copy": settings.copy} | sizes
    try:
        method = method_named(name, **sizes)
    except UsageError as error:
        raise refused(str(error), "rsa") from None
    if method.compares and not compares:
        raise refused("rsa: stop and copy compare answers, which free text has not: give rsa.kind", "rsa")
    return method


def _sizes(name: str, settings: ServeSettings) -> dict[str, Any]:
    """The server's sizes, as far as they are this method's to vary."""
    method = METHODS[name]
    own: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(method)}
    if name == "rsa":
        return {"n": settings.n, "k": settings.k, "t": settings.t}
    sizes: dict[str, Any] = {"n": settings.n if own["n"] > 1 else 1}
    if "k" in own:
        sizes["k"] = settings.k
    if method.grows == "t":
        sizes["t"] = settings.t
    return sizes


def _check_limits(sizes: Mapping[str, Any], limits: Limits) -> None:
    for name, most in (("n", limits.n), ("k", limits.k), ("t", limits.t)):
        if sizes.get(name, 1) > most:
            raise refused(f"rsa.{name}: {sizes[name]}, but this server allows at most {most}", f"rsa.{name}")
