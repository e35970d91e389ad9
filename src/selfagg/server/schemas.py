"""Request bodies, as far as this server reads them; what else they hold is kept as it came."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Literal, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from selfagg.methods import METHODS
from selfagg.server.errors import APIError, refused

Progress = Literal["reasoning", "comments", "members", "none"]


class RsaOptions(BaseModel):
    """The options of a deliberation; the server's defaults stand for those not given."""

    model_config = ConfigDict(extra="forbid", strict=True, serialize_by_alias=True)

    method: str | None = Field(None, json_schema_extra={"enum": [*METHODS, None]})
    n: int | None = Field(None, ge=1, description="Members of a population.")
    k: int | None = Field(None, ge=1, description="Candidates of an aggregation set.")
    t: int | None = Field(None, ge=1, description="Populations, the first included.")
    stop: str | None = Field(
        None, max_length=40, description="When a population is the last: never, unanimous, share:0.875, ..."
    )
    copy_: bool | None = Field(None, alias="copy", description="Copy a set whose candidates agree, without a call.")
    answer: Literal["sample", "majority"] | None = Field(
        None,
        description="sample: a member of the last population, its ancestors alone computed. majority: a vote. "
        "Where absent: a vote where answers compare.",
    )
    order: Literal["random", "prefix"] | None = Field(None, description="Order of the candidates in a prompt.")
    candidate: str | None = Field(None, description="What of a candidate is shown: response, reasoning, answer, ...")
    kind: Literal["text", "math", "choice"] = Field(
        "text", description="What the question is: decides the wording, and which answers are the same in a vote."
    )
    max_total_tokens: int | None = Field(
        None, ge=1, description="Prompt and completion tokens after which the best answer at hand is given."
    )
    deadline_s: float | None = Field(
        None, gt=0, le=86_400, description="Seconds after which the best answer at hand is given."
    )
    progress: Progress = Field(
        "reasoning",
        description="How a stream tells of the work in progress: reasoning_content deltas, SSE comments, chunks "
        "with every member, or not at all.",
    )


class StreamOptions(BaseModel):
    """Options of a stream."""

    model_config = ConfigDict(extra="allow", strict=True)

    include_usage: bool | None = None


class ChatMessage(BaseModel):
    """One message; its other fields are kept."""

    model_config = ConfigDict(extra="allow", strict=True)

    role: str = Field(description="One that the API does not know is left to the model's server to judge.")
    content: str | list[dict[str, Any]] | None = None


class ChatRequest(BaseModel):
    """A chat completion request of the OpenAI API, and ``rsa``."""

    model_config = ConfigDict(extra="allow", strict=True)

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    rsa: bool | RsaOptions | None = Field(
        None, description="false: one plain call. An object: how to deliberate. true or absent: the server's default."
    )
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = Field(None, ge=1, le=128)
    seed: int | None = Field(None, ge=-(2**63), lt=2**64)
    temperature: float | None = Field(None, ge=0, le=100)
    top_p: float | None = Field(None, ge=0, le=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    stop: str | list[str] | None = None
    reasoning_effort: str | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    response_format: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None


class Envelope(BaseModel):
    """The fields that decide where a request goes. A plain request is for the model's own server to judge."""

    model_config = ConfigDict(extra="ignore", strict=True)

    model: str
    rsa: bool | RsaOptions | None = None
    tools: Any = None
    functions: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    max_output_tokens: Any = None

    @property
    def most_tokens(self) -> float:
        """Return how many tokens the answer may have, by whatever name the API has for it."""
        given = (self.max_completion_tokens, self.max_output_tokens, self.max_tokens)
        return next((most for most in given if isinstance(most, int) and most > 0), math.inf)

    @property
    def has_tools(self) -> bool:
        """Return True if the request offers tools to the model, in today's or the older form."""
        return bool(self.tools or self.functions)


Form = TypeVar("Form", bound=BaseModel)


def parse(content: bytes) -> dict[str, Any]:
    """Parse a request body as it came.

    Raises:
        APIError: It is no JSON object.
    """
    try:
        body = json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise refused("the request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise refused("the request body must be a JSON object")
    return body


def read(form: type[Form], body: Mapping[str, Any]) -> Form:
    """Return the body in the form ``form``.

    Raises:
        APIError: It is not of this form; names the field.
    """
    try:
        return form.model_validate(body)
    except ValidationError as error:
        raise _named(error) from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


_FORMS = frozenset(("RsaOptions", "bool", "str", "list[str]", "list[dict[str,any]]", "dict[str,any]"))


def _named(error: ValidationError) -> APIError:
    """Return the error for the fault that lies deepest: where a field has several forms, others say less."""
    told = error.errors(include_url=False, include_input=False, include_context=False)
    fault = max(told, key=lambda one: len(one["loc"]))
    field = ".".join(str(part) for part in fault["loc"] if part not in _FORMS)
    return refused(
        f"{field}: {fault['msg']}", field, "missing_field" if fault["type"] == "missing" else "invalid_value"
    )
