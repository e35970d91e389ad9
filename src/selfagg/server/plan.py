"""The plan of a request, made before the first call: the method, the question, the sampling of members."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selfagg.errors import UsageError
from selfagg.methods import METHODS, Method, method_named
from selfagg.prompts.prompt import candidate_format_named
from selfagg.run.engine import Settings
from selfagg.run.runner import Choice
from selfagg.scoring import incomparable
from selfagg.server.conversation import question_of
from selfagg.server.errors import refused
from selfagg.server.fields import sorted_out, without_use
from selfagg.server.names import suffix_of
from selfagg.server.schemas import ChatRequest, Envelope, Progress, RsaOptions, read
from selfagg.server.settings import ServerLimits, ServeSettings
from selfagg.types import Question, Sampling

_SAME_TEXT = "temperature 0 makes all members of the first population the same"


@dataclass(frozen=True)
class DeliberationPlan:
    """One deliberation.

    Attributes:
        method: The method with its settings.
        choice: One member of the last population, or its vote.
        count: Number of answers (the API's ``n``).
        question: The conversation.
        settings: How every member is sampled; the seed from which all sets follow.
        last: How a call is sampled whose reply is the answer.
        binds: Whether ``last`` binds the answer's form (a response format, tools, stop strings, log-probabilities), so
            that no reply of another call can be the answer.
        max_total_tokens: Tokens after which the best answer at hand is given.
        deadline_s: Seconds after which it is given.
        progress: The form in which a stream tells of the work.
        ignored: Names of the request's fields without effect.
        warning: A sentence that the client should hear, or ``""``.
    """

    method: Method
    choice: Choice
    count: int
    question: Question
    settings: Settings
    last: Sampling
    binds: bool
    max_total_tokens: int | None
    deadline_s: float | None
    progress: Progress
    ignored: tuple[str, ...] = ()
    warning: str = ""


@dataclass(frozen=True)
class Asked:
    """The part of a request of any API that says how to answer it.

    Attributes:
        method: The method's name.
        options: The options in the name's suffix and in ``rsa``.
        plain: True if a server of the API can answer it alone, by one call.
        tools: True if the model is offered tools.
    """

    method: str
    options: Mapping[str, Any]
    plain: bool
    tools: bool


def asked_for(body: Mapping[str, Any], served: str, settings: ServeSettings) -> Asked:
    """Return how a request is to be answered: what it asks for, else its name's route, else the server's default.

    By default requests with tools, the steps of an agent, are plain calls, and so are those for a few tokens (where
    the server says how many those are), as titles.

    Args:
        body: The request as it came, of any API.
        served: The model's name.
        settings: The server's defaults.

    Raises:
        APIError: No such model, or ``rsa`` is not of its form.
    """
    envelope = read(Envelope, body)
    suffix = suffix_of(envelope.model, served, settings.routes)
    given = envelope.rsa if isinstance(envelope.rsa, RsaOptions) else None
    options = suffix | (given.model_dump(exclude_unset=True, exclude_none=True) if given else {})
    asked = bool(suffix or given or envelope.rsa)
    small = envelope.has_tools or envelope.most_tokens <= settings.plain_tokens
    bypass = envelope.rsa is False or (small and not asked)
    name = "single" if bypass else options.get("method", settings.method)
    plain = bypass or (name == "single" and set(options) <= {"method"})
    return Asked(name, {} if bypass else options, plain, envelope.has_tools)


def planned(body: Mapping[str, Any], asked: Asked, settings: ServeSettings, *, forwards: bool) -> DeliberationPlan:
    """Return the deliberation that a request asks for.

    Args:
        body: The request, as chat completions has it.
        asked: The way in which the request is to be answered.
        settings: The server's defaults and limits.
        forwards: True if the model is behind a server of this API.

    Raises:
        APIError: Something asked for cannot be.
    """
    request, options = read(ChatRequest, body), asked.options
    if asked.tools and options.get("answer") == "majority":  # a call has no text to vote with
        raise refused("rsa.answer: with tools the answer is one member's: use 'sample'", "rsa.answer")
    count = request.n or 1
    question = question_of(body["messages"], options.get("kind", "text"))
    compares = not incomparable(question)
    method = _method(asked.method, options, settings, count, compares=compares)
    # Tools: a call has no text to vote with. A vote needs voters beside the answers.
    votes = compares and method.uniform and not asked.tools and count < method.size(method.t)
    if count > method.size(method.t):
        raise refused(f"n: {count} answers out of a population of {method.size(method.t)}", "n", "invalid_value")
    if request.logprobs and not forwards:
        raise refused("logprobs: a model that runs in the server's own process hands none out", "logprobs")
    fields = sorted_out(body, forwards=forwards)
    candidate = options.get("candidate", settings.candidate)
    try:
        candidate_format_named(candidate)
    except UsageError as error:
        raise refused(str(error), "rsa.candidate", "invalid_value") from None
    sampling = Sampling(
        temperature=1.0 if request.temperature is None else request.temperature,
        top_p=request.top_p,
        max_tokens=request.max_completion_tokens or request.max_tokens,
        reasoning_effort=request.reasoning_effort,
        extra_body=fields.every | without_use(fields.last),
        server_defaults=settings.server_defaults,
    )
    stop = (request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ())
    top = {"top_logprobs": request.top_logprobs} if request.logprobs and request.top_logprobs is not None else {}
    seed = request.seed if request.seed is not None else secrets.randbelow(2**31)
    return DeliberationPlan(
        method=method,
        choice=options.get("answer", settings.answer if votes else "sample"),
        count=count,
        question=question,
        settings=Settings(sampling, seed, candidate),
        last=dataclasses.replace(
            sampling,
            stop=stop,
            logprobs=bool(request.logprobs),
            extra_body=fields.every | fields.last | top,
        ),
        binds=bool(stop or request.logprobs or fields.binding),
        max_total_tokens=options.get("max_total_tokens"),
        deadline_s=options.get("deadline_s"),
        progress=options.get("progress", "reasoning"),
        ignored=tuple(fields.ignored),
        warning=_SAME_TEXT if sampling.temperature == 0 and method.n > 1 else "",
    )


def _method(name: str, options: Mapping[str, Any], settings: ServeSettings, count: int, *, compares: bool) -> Method:
    """Return the method that the request wants, completed by the server's settings, within the server's limits.

    Args:
        name: Its name.
        options: The options of the request.
        settings: The server's.
        count: Number of answers that are wanted.
        compares: True if answers to the question can be compared; else the server's own stop and copy stay off.

    Raises:
        APIError: No such method, impossible or too large a size, or a rule for answers that cannot be compared.
    """
    if name not in METHODS:
        raise refused(f"rsa.method: there is no method {name[:100]!r}; there are {', '.join(METHODS)}", "rsa.method")
    chosen = sizes(name, settings) | {
        key: options[key] for key in ("n", "k", "t", "order", "stop", "copy") if key in options
    }
    if "k" in chosen and "k" not in options:
        chosen["k"] = min(chosen["k"], chosen["n"])
    if name == "single" and "n" not in options:
        chosen["n"] = count
    _check_limits(chosen, settings.limits)
    if name == "rsa" and compares and chosen["n"] > 1:  # one member alone always agrees
        chosen = {"stop": settings.stop, "copy": settings.copy} | chosen
    try:
        method = method_named(name, **chosen)
    except UsageError as error:
        raise refused(str(error), "rsa") from None
    if method.compares and not compares:
        raise refused("rsa: stop and copy compare answers, which free text has not: give rsa.kind", "rsa")
    return method


def sizes(name: str, settings: ServeSettings) -> dict[str, Any]:
    """Return the server's N, K and T, as far as they are this method's to vary."""
    method = METHODS[name]
    own: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(method)}
    if name == "rsa":
        return {"n": settings.n, "k": settings.k, "t": settings.t}
    found: dict[str, Any] = {"n": settings.n if own["n"] > 1 else 1}
    if "k" in own:
        found["k"] = settings.k
    if method.grows == "t":
        found["t"] = settings.t
    return found


def _check_limits(sizes: Mapping[str, Any], limits: ServerLimits) -> None:
    for name, most in (("n", limits.n), ("k", limits.k), ("t", limits.t)):
        if sizes.get(name, 1) > most:
            raise refused(f"rsa.{name}: {sizes[name]}, but this server allows at most {most}", f"rsa.{name}")
