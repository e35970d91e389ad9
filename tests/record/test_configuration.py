"""What a record says of its sampling, and what one of an earlier version meant."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from selfagg.errors import UsageError
from selfagg.methods import RSA
from selfagg.record.configuration import about, configuration, differences
from selfagg.record.record import Record
from selfagg.run.engine import Settings
from selfagg.types import Question, Sampling

QUESTIONS = [Question("q", "2 + 2?")]


def _configuration(model: str, **sampling: Any) -> dict[str, Any]:
    return configuration(RSA(n=2, k=1, t=2), model, Settings(Sampling(**sampling)), "file")


def _as_before(configuration: dict[str, Any], top_p: float | None = None) -> dict[str, Any]:
    """As versions before ``server_defaults`` wrote it."""
    sampling = {key: value for key, value in configuration["sampling"].items() if key != "server_defaults"}
    return {**configuration, "sampling": sampling | {"top_p": top_p}}


@pytest.mark.parametrize(("sampling", "top_p"), [({}, 1.0), ({"top_p": 0.9}, 0.9), ({"server_defaults": True}, None)])
def test_the_record_tells_what_is_sampled(sampling: dict[str, Any], top_p: float | None) -> None:
    told = _configuration("openai:m", **sampling)["sampling"]
    assert (told.get("top_p"), told["server_defaults"]) == (top_p, sampling.get("server_defaults", False))


@pytest.mark.parametrize(
    ("model", "asked", "goes_on"),
    [
        ("hf:m", {}, True),
        ("vllm:m", {}, True),
        ("simulated:", {}, True),
        ("hf:m", {"server_defaults": True}, False),
        ("openai:m", {}, False),
        ("openai:m", {"server_defaults": True}, True),
        ("local", {}, False),
        ("local:x.gguf", {"server_defaults": True}, True),
    ],
)
def test_an_earlier_record_goes_on_as_it_was_meant(
    tmp_path: Path, model: str, asked: dict[str, Any], goes_on: bool
) -> None:
    path = tmp_path / "r.sqlite"
    with Record(path) as record:
        record.begin(_as_before(_configuration(model)), QUESTIONS)
        ((written,),) = record.query("SELECT value FROM run WHERE key = 'configuration'")
        assert "server_defaults" not in json.loads(written)["sampling"]
    with Record(path) as record:
        if goes_on:
            record.begin(_configuration(model, **asked), QUESTIONS)
        else:
            with pytest.raises(UsageError, match=r"sampling.server_defaults is .*--sampling server"):
                record.begin(_configuration(model, **asked), QUESTIONS)


def test_an_earlier_top_p_stays(tmp_path: Path) -> None:
    with Record(tmp_path / "r.sqlite") as record:
        record.begin(_as_before(_configuration("hf:m"), 0.8), QUESTIONS)
        record.begin(_configuration("hf:m", top_p=0.8), QUESTIONS)
        assert record.configuration["sampling"]["top_p"] == 0.8


def test_a_setting_that_became_a_group_of_settings_differs_as_a_whole() -> None:
    assert differences({"a": 1}, {"a": {"b": 1}}, "in the record") == ['a is 1 in the record, {"b": 1} asked for']
    assert differences({"a": {"b": 1}}, {"a": {"b": 2}}, "there") == ["a.b is 1 there, 2 asked for"]


def test_the_versions_that_are_recorded_are_versions() -> None:
    assert about(x=1)["versions"]["selfagg"] == metadata.version("selfagg")
    assert about(x=1)["x"] == 1
