"""The plan of a request, made before the first call: the method, the question, the sampling of members.

A model's name is part of it: the model's own or a route's, with or without a suffix that names a method.
"""

from __future__ import annotations

import dataclasses
import math
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from selfagg.errors import UsageError
from selfagg.methods import METHODS, Method, method_named
from selfagg.prompts.prompt import candidate_format_named
from selfagg.run.engine import Settings
from selfagg.run.runner import Choice
from selfagg.scoring import incomparable
from selfagg.server.errors import APIError, refused
from selfagg.server.fields import Addressed, ChatRequest, ProgressForm, RsaOptions, read, sorted_out, without_use
from selfagg.server.settings import ServeSettings
from selfagg.types import Kind, Question, Sampling

NAME: Final = "question"
"""The id of every request's question, as `selfagg.solve` has it: the same seed gives the same sets there and here."""

_SIZES: Final = re.compile(r"rsa-(\d{1,6})-(\d{1,6})-(\d{1,6})(?:-stop(0?\.\d{1,6}|1))?(-copy)?(?:-(majority|sample))?")
_SAME_TEXT: Final = "temperature 0 makes all members of the first population the same"


# -- models' names


def suffix_of(model: str, served: str, routes: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what a model name says of the method; ``{}`` for the plain name, which is ``served``.

    A name is ``NAME``, ``NAME:rsa-N-K-T`` or ``NAME:METHOD``, where NAME may be a route's; after N-K-T may follow
    ``-stop0.875``, ``-copy`` and ``-majority``, in this order.

    Raises:
        APIError: 404, this model is not served.
    """
    routes, own = routes or {}, (served, f"openai:{served}")

    def routed(name: str) -> str | None:
        return next((target for route, target in routes.items() if re.fullmatch(_expression(route), name)), None)

    base, _, suffix = model.rpartition(":")
    if model in routes:
        return _target(routes[model]) or {}
    if model in own:
        return {}
    if (base in own or routed(base) is not None) and (told := _method_of(suffix)):
        return told
    if (target := routed(model)) is not None:
        return _target(target) or {}
    message = f"the model {model[:200]!r} does not exist here; there are {served} and {served}:rsa-N-K-T"
    raise APIError(404, message, param="model", code="model_not_found")


def _method_of(word: str) -> dict[str, Any] | None:
    """Return what a suffix says of the method, or None if it is none."""
    if not (sizes := _SIZES.fullmatch(word)):
        return {"method": word} if word in METHODS else None
    n, k, t, share, copied, answer = sizes.groups()
    more = {"stop": share and f"share:{share}", "copy": copied and True, "answer": answer}
    told = {key: value for key, value in more.items() if value}
    return {"method": "rsa", "n": int(n), "k": int(k), "t": int(t), **told}


def _target(word: str) -> dict[str, Any] | None:
    """Return what a route's target says of the method, or None if it is none."""
    return {} if word == "default" else _method_of("single" if word == "plain" else word)


def _expression(route: str) -> str:
    """Return the names that a route fits, as a regular expression that JSON Schema knows too."""
    return "".join({"*": ".*", "?": "."}.get(sign) or re.escape(sign) for sign in route)


def check_routes(routes: Mapping[str, str]) -> None:
    """Raise UsageError if a route leads to no method."""
    for name, target in routes.items():
        if _target(target) is None:
            known = f"rsa-N-K-T, plain, default, {', '.join(METHODS)}"
            raise UsageError(f"--route {name}={target}: there is no {target!r}; there are {known}")


def listed(served: str, settings: ServeSettings) -> list[str]:
    """Return the names that ``GET /v1/models`` lists: the model's own, with the server's size, plain, and routes'."""
    routes = [name for name in settings.routes if not set(name) & set("*?")]
    own = [served, f"{served}:rsa-{settings.n}-{settings.k}-{settings.t}", f"{served}:single"]
    return [*dict.fromkeys([*own, *routes])]


def pattern(served: str, routes: Iterable[str] = ()) -> str:
    """Return all names that are answered, as a regular expression of JSON Schema."""
    adaptive = r"(-stop(0?\.[0-9]+|1))?(-copy)?(-(majority|sample))?"
    names = "|".join([f"(openai:)?{re.escape(served)}", *map(_expression, routes)])
    return rf"^({names})(:(rsa-[0-9]+-[0-9]+-[0-9]+{adaptive}|{'|'.join(METHODS)}))?$"


# -- how a request is answered


@dataclass(frozen=True)
class Asked:
    """The part of a request of any API that says how to answer it."""

    method: str
    options: Mapping[str, Any]  # in the model name's suffix and in ``rsa``
    plain: bool  # a server of the API can answer it alone, by one call
    tools: bool


def asked_for(body: Mapping[str, Any], served: str, settings: ServeSettings) -> Asked:
    """Return how a request of any API is to be answered: as it asks, else by its name's route, else by default.

    By default requests with tools, the steps of an agent, are plain calls, and so are those for a few tokens (where
    the server says how many those are), as titles.

    Raises:
        APIError: No such model, or ``rsa`` is not of its form.
    """
    addressed = read(Addressed, body)
    suffix = suffix_of(addressed.model, served, settings.routes)
    given = addressed.rsa if isinstance(addressed.rsa, RsaOptions) else None
    options = suffix | (given.model_dump(exclude_unset=True, exclude_none=True) if given else {})
    asked, tools = bool(suffix or given or addressed.rsa), bool(body.get("tools") or body.get("functions"))
    limits = (body.get(name) for name in ("max_completion_tokens", "max_output_tokens", "max_tokens"))
    most_tokens = next((most for most in limits if isinstance(most, int) and most > 0), math.inf)
    small = tools or most_tokens <= settings.plain_tokens
    bypass = addressed.rsa is False or (small and not asked)
    name = "single" if bypass else options.get("method", settings.method)
    plain = bypass or (name == "single" and set(options) <= {"method"})
    return Asked(name, {} if bypass else options, plain, tools)


@dataclass(frozen=True)
class DeliberationPlan:
    """One deliberation: ``count`` answers to a question.

    ``last`` binds the answer's form (a response format, tools, stop strings, log-probabilities) if ``binds``: then no
    reply of another call can be the answer.
    """

    method: Method
    choice: Choice
    count: int
    question: Question
    settings: Settings  # of every member
    last: Sampling  # of a call whose reply is the answer
    binds: bool
    max_total_tokens: int | None  # then the best answer at hand is given, as after the deadline
    deadline_s: float | None
    progress: ProgressForm
    ignored: tuple[str, ...]  # the request's fields without effect
    warning: str  # a sentence that the client should hear, or ""
    chat: Mapping[str, Any]  # the request as chat completions has it, with its seed: it is planned the same again


def planned(body: Mapping[str, Any], served: str, settings: ServeSettings, *, forwards: bool) -> DeliberationPlan:
    """Return the deliberation that a request in the form of chat completions asks for.

    ``served`` is the model's name; ``forwards``: it is behind a server of this API.

    Raises:
        APIError: Something asked for cannot be.
    """
    asked, request = asked_for(body, served, settings), read(ChatRequest, body)
    options, count = asked.options, request.n or 1
    if asked.tools and options.get("answer") == "majority":  # a call has no text to vote with
        raise refused("rsa.answer: with tools the answer is one member's: use 'sample'", "rsa.answer")
    question = question_of(body["messages"], options.get("kind", "text"))
    compares = not incomparable(question)
    method = _method(asked, settings, count, compares=compares)
    # Tools: a call has no text to vote with. A vote needs voters beside the answers.
    votes = compares and method.uniform and not asked.tools and count < method.size(method.t)
    if count > method.size(method.t):
        raise refused(f"n: {count} answers out of a population of {method.size(method.t)}", "n", "invalid_value")
    if request.logprobs and not forwards:
        raise refused("logprobs: a model that runs in the server's own process hands none out", "logprobs")
    every, last, ignored, form_binds = sorted_out(body, forwards=forwards)
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
        extra_body=every | without_use(last),
        server_defaults=settings.server_defaults,
    )
    stop = (request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ())
    top = {"top_logprobs": request.top_logprobs} if request.logprobs and request.top_logprobs is not None else {}
    more, seed = every | last | top, secrets.randbelow(2**31) if request.seed is None else request.seed
    return DeliberationPlan(
        method=method,
        choice=options.get("answer", settings.answer if votes else "sample"),
        count=count,
        question=question,
        settings=Settings(sampling, seed, candidate),
        last=dataclasses.replace(sampling, stop=stop, logprobs=bool(request.logprobs), extra_body=more),
        binds=bool(stop or request.logprobs or form_binds),
        max_total_tokens=options.get("max_total_tokens"),
        deadline_s=options.get("deadline_s"),
        progress=options.get("progress", "reasoning"),
        ignored=tuple(ignored),
        warning=_SAME_TEXT if sampling.temperature == 0 and method.n > 1 else "",
        chat={**body, "seed": seed},
    )


def _method(asked: Asked, settings: ServeSettings, count: int, *, compares: bool) -> Method:
    """Return the method that a request wants, completed by the server's settings, within the server's limits.

    Where answers cannot be compared, the server's own stop and copy stay off, and the request's are refused.
    """
    name, options, limits = asked.method, asked.options, settings.limits
    if name not in METHODS:
        raise refused(f"rsa.method: there is no method {name[:100]!r}; there are {', '.join(METHODS)}", "rsa.method")
    given = {key: options[key] for key in ("n", "k", "t", "order", "stop", "copy") if key in options}
    chosen = sizes(name, settings) | given
    if "k" in chosen and "k" not in options:
        chosen["k"] = min(chosen["k"], chosen["n"])
    if name == "single" and "n" not in options:
        chosen["n"] = count
    for size, most in (("n", limits.n), ("k", limits.k), ("t", limits.t)):
        if chosen.get(size, 1) > most:
            raise refused(f"rsa.{size}: {chosen[size]}, but this server allows at most {most}", f"rsa.{size}")
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
    own: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(METHODS[name])}
    found = {"n": settings.n if own["n"] > 1 else 1}
    return found | ({"k": settings.k} if "k" in own else {}) | ({"t": settings.t} if METHODS[name].grows == "t" else {})


def question_of(messages: Sequence[Mapping[str, Any]], kind: Kind) -> Question:
    """Return a conversation as a question: the last user turn, with all that stands before and after it.

    Raises:
        APIError: There is no user turn.
    """
    places = [place for place, message in enumerate(messages) if message["role"] == "user"]
    if not places:
        raise refused("messages: a deliberation needs a user turn; send rsa: false for a plain call", "messages")
    last, turn = places[-1], messages[places[-1]]
    content = turn.get("content")
    parts = content if isinstance(content, list) else []
    texts = [part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str)]
    return Question(
        NAME,
        content if isinstance(content, str) else "\n\n".join(texts),
        kind=kind,
        context=tuple(messages[:last]),
        turn=turn if set(turn) - {"role", "content"} or not isinstance(content, str) else None,
        after=tuple(messages[last + 1 :]),
    )
