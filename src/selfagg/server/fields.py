"""The way of each field of a request that is deliberated: into every call, into the last one, or nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from selfagg.server.errors import refused
from selfagg.server.schemas import ChatRequest

OWN = frozenset(ChatRequest.model_fields) - {"response_format", "tools", "tool_choice", "parallel_tool_calls"}
"""Fields read by this server: they say how a member is sampled, or how the answer is given."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


LAST = _names(
    "response_format tools tool_choice parallel_tool_calls functions function_call prediction web_search_options "
    "guided_json guided_regex guided_choice guided_grammar structured_outputs grammar json_schema regex ebnf"
)
"""Bind the answer's form: they go into the calls whose reply is the answer."""

_LABELS = _names(
    "user safety_identifier prompt_cache_key prompt_cache_retention metadata service_tier parallel_tool_calls"
)
"""Fields that say nothing about the answer: a model without such a setting answers the same without them."""

EVERY = _LABELS - LAST | _names(
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

_NOTHING: Mapping[str, tuple[Any, ...]] = {
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


@dataclass
class Fields:
    """The fields of one request.

    Attributes:
        every: For every call.
        last: For the calls whose reply is the answer.
        ignored: Names of fields without effect here; the client is told.
    """

    every: dict[str, Any] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)

    @property
    def binding(self) -> bool:
        """Return True if a field of ``last`` asks for more than what is anyway."""
        return any(value not in _NOTHING.get(name, ()) for name, value in self.last.items())


def sorted_out(body: Mapping[str, Any], *, forwards: bool) -> Fields:
    """Sort a request's fields.

    Args:
        body: The request, as chat completions has it.
        forwards: True if the model takes fields of the API beyond those of `Sampling`.

    Raises:
        APIError: A field would change the meaning of the answer, and cannot be honoured.
    """
    found = Fields()
    for name, value in body.items():
        if value is None or name in OWN:
            continue
        if name in ("audio", "modalities") and value not in _NOTHING[name]:
            raise refused(f"{name}: answers are text", name, "unsupported_parameter")
        if name not in EVERY | LAST:
            found.ignored += [name[:100]] if value not in _NOTHING.get(name, ()) else []
        elif forwards:
            (found.every if name in EVERY else found.last)[name] = value
        elif name in _LABELS:
            found.ignored.append(name)
        elif value not in _NOTHING.get(name, ()):
            raise refused(f"{name}: this model has no such setting", name, "unsupported_parameter")
    return found


def without_use(last: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tools for members before the last population: to know of, not to use."""
    if "tools" in last:
        return {"tools": last["tools"], "tool_choice": "none"}
    if "functions" in last:
        return {"functions": last["functions"], "function_call": "none"}
    return {}
