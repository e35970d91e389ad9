"""Which fields of a request go where when it is deliberated: into every call, into the last one, or nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selfagg.server.errors import refused
from selfagg.server.schemas import ChatRequest

OWN = frozenset(ChatRequest.model_fields) - {"response_format", "tools", "tool_choice", "parallel_tool_calls"}
"""Read by this server: they say how a member is sampled, or how the answer is given."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


LAST = _names(
    "response_format tools tool_choice parallel_tool_calls functions function_call prediction web_search_options "
    "guided_json guided_regex guided_choice guided_grammar structured_outputs grammar json_schema regex ebnf"
)
"""Bind the answer's form: they go into the calls of the last population."""

EVERY = _names(
    # the API's own
    "frequency_penalty presence_penalty logit_bias user safety_identifier prompt_cache_key prompt_cache_retention "
    "metadata service_tier verbosity "
    # of vLLM, SGLang, llama.cpp's server, Ollama and gateways
    "top_k min_p top_a typical_p repetition_penalty repeat_penalty repeat_last_n min_tokens bad_words "
    "stop_token_ids ignore_eos skip_special_tokens include_stop_str_in_output allowed_token_ids priority "
    "chat_template chat_template_kwargs mm_processor_kwargs thinking enable_thinking think reasoning "
    "include_reasoning thinking_budget separate_reasoning dynatemp_range dynatemp_exponent mirostat mirostat_tau "
    "mirostat_eta xtc_probability xtc_threshold dry_multiplier dry_base dry_allowed_length samplers cache_prompt "
    "reasoning_format keep_alive options provider models transforms plugins"
)
"""How a model writes, whatever it writes: they go into every call."""

_REFUSED = {
    "audio": "answers are text",
    "store": "completions are not stored",
}


def sorted_out(body: Mapping[str, Any], *, forwards: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields for every call, and those for the last population's.

    Args:
        body: The request.
        forwards: Whether the model takes fields of the API beyond those of `Sampling`.

    Raises:
        APIError: A field that nobody knows, or that cannot be honoured: never silence.
    """
    every: dict[str, Any] = {}
    last: dict[str, Any] = {}
    for name, value in body.items():
        if value is None or name in OWN:
            continue
        if name == "modalities" and value == ["text"]:
            continue
        if name in _REFUSED and value is False:
            continue
        if name in _REFUSED or name == "modalities":
            raise refused(f"{name}: {_REFUSED.get(name, 'answers are text')}", name, "unsupported_parameter")
        if name not in EVERY | LAST:
            raise refused(f"unrecognized request argument supplied: {name[:100]}", name[:100], "unknown_parameter")
        if not forwards and not (name == "response_format" and value == {"type": "text"}):
            raise refused(f"{name}: this model has no such setting", name, "unsupported_parameter")
        (every if name in EVERY else last)[name] = value
    return every, last


def without_use(last: Mapping[str, Any]) -> dict[str, Any]:
    """The tools for members before the last population: to know of, not to use."""
    if "tools" in last:
        return {"tools": last["tools"], "tool_choice": "none"}
    if "functions" in last:
        return {"functions": last["functions"], "function_call": "none"}
    return {}
