"""Model names as clients write them: the model's own, or with a suffix that says how to deliberate."""

from __future__ import annotations

import re
from typing import Any

from selfagg.methods import METHODS
from selfagg.server.errors import APIError
from selfagg.server.settings import ServeSettings

_RSA = r"rsa-(\d{1,6})-(\d{1,6})-(\d{1,6})(?:-stop(0?\.\d{1,6}|1))?(-copy)?(?:-(majority|sample))?"
_SIZES = re.compile(_RSA)


def served_name(connection: str) -> str:
    """Return the name by which clients call the model: the name at its own server."""
    return connection.removeprefix("openai:")


def suffix_of(model: str, served: str) -> dict[str, Any]:
    """Return the settings of the method that a model name holds; ``{}`` for the plain name.

    Args:
        model: ``NAME``, ``NAME:rsa-N-K-T`` or ``NAME:METHOD``; after N-K-T may follow ``-stop0.875``, ``-copy`` and
            ``-majority``, in this order.
        served: The model's name.

    Raises:
        APIError: 404, this model is not served.
    """
    if model in (served, f"openai:{served}"):
        return {}
    base, _, suffix = model.rpartition(":")
    if base in (served, f"openai:{served}"):
        if sizes := _SIZES.fullmatch(suffix):
            *numbers, share, copied, answer = sizes.groups()
            more = {"stop": share and f"share:{share}", "copy": copied and True, "answer": answer}
            told = {key: value for key, value in more.items() if value}
            return {"method": "rsa", **dict(zip("nkt", map(int, numbers), strict=True)), **told}
        if suffix in METHODS:
            return {"method": suffix}
    raise APIError(
        404,
        f"the model {model[:200]!r} does not exist here; there are {served} and {served}:rsa-N-K-T",
        param="model",
        code="model_not_found",
    )


def listed(served: str, settings: ServeSettings) -> list[str]:
    """Return the names for ``GET /v1/models``: the server's default, RSA of that size, a plain call."""
    return [served, f"{served}:rsa-{settings.n}-{settings.k}-{settings.t}", f"{served}:single"]


def pattern(served: str) -> str:
    """Return a regular expression of JSON Schema for all names that are answered."""
    adaptive = r"(-stop(0?\.[0-9]+|1))?(-copy)?(-(majority|sample))?"
    return rf"^(openai:)?{re.escape(served)}(:(rsa-[0-9]+-[0-9]+-[0-9]+{adaptive}|{'|'.join(METHODS)}))?$"
