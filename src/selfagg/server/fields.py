"""The fields of a request as chat completions has them: their form, and which calls each goes into.

What this server does not read is kept as it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from selfagg.methods import METHODS
from selfagg.server.errors import refused

Body = Mapping[str, Any]
ProgressForm = Literal["reasoning", "comments", "members", "none"]


class RsaOptions(BaseModel):
    """The options of a deliberation; the server's defaults stand for those not given."""

    model_config = ConfigDict(extra="forbid", strict=True, serialize_by_alias=True)

    method: str | None = Field(None, json_schema_extra={"enum": [*METHODS, None]})
    n: int | None = Field(None, ge=1, description="Members of a population.")
    k: int | None = Field(None, ge=1, description="Candidates of an aggregation set.")
    t: int | None = Field(None, ge=1, description="Populations, the first included.")
    stop: str | None = Field(None, max_length=40, description="When a population is the last: never, share:0.875, ...")
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
    progress: ProgressForm = Field(
        "reasoning",
        description="How a stream tells of the work in progress: reasoning_content deltas, SSE comments, chunks "
        "with every member, or not at all.",
    )


class Addressed(BaseModel):
    """The fields that say who answers, and how. A plain request's others are for the model's own server to judge."""

    model_config = ConfigDict(strict=True)

    model: str
    rsa: bool | RsaOptions | None = Field(
        None, description="false: one plain call. An object: how to deliberate. true or absent: the server's default."
    )


class Form(Addressed):
    """The fields that a deliberated request has in every API; its further fields are kept."""

    model_config = ConfigDict(extra="allow", strict=True)

    stream: bool | None = None
    temperature: float | None = Field(None, ge=0, le=100)
    top_p: float | None = Field(None, ge=0, le=1)


class ChatMessage(BaseModel):
    """One message; its other fields are kept."""

    model_config = ConfigDict(extra="allow", strict=True)

    role: str = Field(description="One that the API does not know is left to the model's server to judge.")
    content: str | list[dict[str, Any]] | None = None


class StreamOptions(BaseModel):
    """Options of a stream."""

    model_config = ConfigDict(extra="allow", strict=True)

    include_usage: bool | None = None


class ChatRequest(Form):
    """A chat completion request of the OpenAI API, and ``rsa``."""

    messages: list[ChatMessage] = Field(min_length=1)
    stream_options: StreamOptions | None = None
    n: int | None = Field(None, ge=1, le=128)
    seed: int | None = Field(None, ge=-(2**63), lt=2**64)
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


AnyForm = TypeVar("AnyForm", bound=BaseModel)

_FORMS: Final = frozenset(("RsaOptions", "bool", "str", "list[str]", "list[dict[str,any]]", "dict[str,any]"))


def read(form: type[AnyForm], body: Body) -> AnyForm:
    """Return the body in this form; raise APIError, with the field's name, if it is not of this form."""
    try:
        return form.model_validate(body)
    except ValidationError as error:
        told = error.errors(include_url=False, include_input=False, include_context=False)
        fault = max(told, key=lambda one: len(one["loc"]))  # where a field has several forms, others say less
        name = ".".join(str(part) for part in fault["loc"] if part not in _FORMS)
        code = "missing_field" if fault["type"] == "missing" else "invalid_value"
        raise refused(f"{name}: {fault['msg']}", name, code) from None


# -- the way of each field of a request that is deliberated: into every call, into the last one, or nowhere


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OWN: Final = frozenset(ChatRequest.model_fields) - _names("response_format tools tool_choice parallel_tool_calls")
"""Fields read by this server: they say how a member is sampled, or how the answer is given."""

_LAST: Final = _names(
    "response_format tools tool_choice parallel_tool_calls functions function_call prediction web_search_options "
    "guided_json guided_regex guided_choice guided_grammar structured_outputs grammar json_schema regex ebnf"
)
"""Bind the answer's form: they go into the calls whose reply is the answer."""

_LABELS: Final = _names(
    "user safety_identifier prompt_cache_key prompt_cache_retention metadata service_tier parallel_tool_calls"
)
"""Fields that say nothing about the answer: a model without such a setting answers the same without them."""

_EVERY: Final = _LABELS - _LAST | _names(
    # the API's own
    "frequency_penalty presence_penalty logit_bias verbosity "
    # of vLLM, SGLang, llama.cpp's server, Ollama and gateways
    "top_k min_p top_a typical_p repetition_penalty repeat_penalty repeat_last_n min_tokens bad_words "
    "stop_token_ids ignore_eos skip_special_tokens include_stop_str_in_output allowed_token_ids priority "
    "chat_template chat_template_kwargs mm_processor_kwargs thinking enable_thinking think reasoning "
    "include_reasoning thinking_budget separate_reasoning dynatemp_range dynatemp_exponent mirostat mirostat_tau "
    "mirostat_eta xtc_probability xtc_threshold dry_multiplier dry_base dry_allowed_length samplers cache_prompt "
    "reasoning_format keep_alive options provider models transforms plugins"
)
"""Settings of how a model writes, whatever it writes: they go into every call."""

_NOTHING: Final[Mapping[str, tuple[Any, ...]]] = {
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "store": (False,),
    "audio": (False,),
}
"""Values that ask for what is anyway."""


def sorted_out(body: Body, *, forwards: bool) -> tuple[dict[str, Any], dict[str, Any], list[str], bool]:
    """Sort a request's fields; ``forwards``: the model takes fields of the API beyond those of `Sampling`.

    Returns:
        Fields for every call, fields for the calls whose reply is the answer, the names of those without effect, and
        True if a field for the answer asks for more than what is anyway.

    Raises:
        APIError: A field would change the meaning of the answer, and cannot be honoured.
    """
    every: dict[str, Any] = {}
    last: dict[str, Any] = {}
    ignored, binds = list[str](), False
    for name, value in body.items():
        if value is None or name in _OWN:
            continue
        asks = value not in _NOTHING.get(name, ())
        if name in ("audio", "modalities") and asks:
            raise refused(f"{name}: answers are text", name, "unsupported_parameter")
        if name not in _EVERY | _LAST:
            ignored += [name[:100]] if asks else []
        elif forwards:
            (every if name in _EVERY else last)[name] = value
            binds = binds or (asks and name not in _EVERY)
        elif name in _LABELS:
            ignored.append(name)
        elif asks:
            raise refused(f"{name}: this model has no such setting", name, "unsupported_parameter")
    return every, last, ignored, binds


def without_use(last: Body) -> dict[str, Any]:
    """Return the tools for members before the last population: to know of, not to use."""
    for tools, choice in (("tools", "tool_choice"), ("functions", "function_call")):
        if tools in last:
            return {tools: last[tools], choice: "none"}
    return {}
