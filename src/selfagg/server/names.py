"""Model names as clients write them: the model's own or a route's, with or without a suffix that names a method."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from selfagg.errors import UsageError
from selfagg.methods import METHODS
from selfagg.server.errors import APIError
from selfagg.server.settings import ServeSettings

_RSA = r"rsa-(\d{1,6})-(\d{1,6})-(\d{1,6})(?:-stop(0?\.\d{1,6}|1))?(-copy)?(?:-(majority|sample))?"
_SIZES = re.compile(_RSA)


def served_name(connection: str) -> str:
    """Return the name by which clients call the model: the name at its own server."""
    return connection.removeprefix("openai:")


def suffix_of(model: str, served: str, routes: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what a model name says of the method; ``{}`` for the plain name.

    Args:
        model: ``NAME``, ``NAME:rsa-N-K-T`` or ``NAME:METHOD``; after N-K-T may follow ``-stop0.875``, ``-copy`` and
            ``-majority``, in this order.
        served: The model's name.
        routes: Other names, and what each says of the method.

    Raises:
        APIError: 404, this model is not served.
    """
    routes, own = routes or {}, (served, f"openai:{served}")
    if model in routes:
        return _target(routes[model]) or {}
    if model in own:
        return {}
    base, _, suffix = model.rpartition(":")
    if (base in own or _route(base, routes) is not None) and (told := _method(suffix)):
        return told
    if (target := _route(model, routes)) is not None:
        return _target(target) or {}
    raise APIError(
        404,
        f"the model {model[:200]!r} does not exist here; there are {served} and {served}:rsa-N-K-T",
        param="model",
        code="model_not_found",
    )


def _method(word: str) -> dict[str, Any] | None:
    """Return what a suffix says of the method, or None if it is none."""
    if sizes := _SIZES.fullmatch(word):
        *numbers, share, copied, answer = sizes.groups()
        more = {"stop": share and f"share:{share}", "copy": copied and True, "answer": answer}
        told = {key: value for key, value in more.items() if value}
        return {"method": "rsa", **dict(zip("nkt", map(int, numbers), strict=True)), **told}
    return {"method": word} if word in METHODS else None


def _target(word: str) -> dict[str, Any] | None:
    """Return what a route's target says of the method, or None if it is none."""
    return {} if word == "default" else _method("single" if word == "plain" else word)


def _route(name: str, routes: Mapping[str, str]) -> str | None:
    """Return the target of the first route that fits a name, or None."""
    return next((target for route, target in routes.items() if re.fullmatch(_expression(route), name)), None)


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


def _expression(route: str) -> str:
    """Return the names that a route fits, as a regular expression that JSON Schema knows too."""
    return "".join({"*": ".*", "?": "."}.get(sign) or re.escape(sign) for sign in route)
