"""The list of models that can be called from here, and how a model is found by its name."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from openai_faults import FaultServer, refuse, send

from selfagg import models
from selfagg.errors import UsageError
from selfagg.models import Access, AvailableModel, available_models, connect, opened


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def listed() -> dict[str, AvailableModel]:
    return {model.name: model for model in available_models()}


def test_what_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    there: set[str] = set()
    monkeypatch.setattr(models, "_version", lambda package: "1.2" if package in there else None)
    kinds = {
        "local": ("needs pip install 'selfagg[local]'", {"xllamacpp"}),
        "local:PATH.gguf": ("needs pip install 'selfagg[local]'", {"xllamacpp"}),
        "local:hf:REPOSITORY[:FILE]": ("needs pip install 'selfagg[local,hub]'", {"xllamacpp", "huggingface_hub"}),
        "hf:NAME": ("needs pip install 'selfagg[hf]'", {"transformers", "torch"}),
        "vllm:NAME[,SETTING=VALUE]": ("needs pip install 'selfagg[vllm]'", {"vLLM"}),
    }
    for name, (note, needed) in kinds.items():
        there = needed - {min(needed)}
        assert (listed()[name].ready, listed()[name].note) == (False, note)
        there = needed
        assert listed()[name].ready
        assert " in this process, " in listed()[name].note
    assert listed()["vllm:NAME[,SETTING=VALUE]"].note.endswith(", in this process, vLLM 1.2")


def test_what_needs_no_package_is_there() -> None:
    found = listed()
    assert [found[name].ready for name in ("simulated:SETTINGS", "recorded:FILE", "openai:NAME")] == [True, True, False]
    assert found["openai:NAME"].note == "name a server with --base-url, or set OPENAI_BASE_URL"


async def test_models_of_servers() -> None:
    async with FaultServer() as one, FaultServer() as two, FaultServer() as refusing:
        one.models = send({"data": [{"id": "a", "max_model_len": 40960}, {"id": "b"}]})
        two.models = refuse(404, "no such page")
        refusing.models = refuse(401, "who are you?")
        urls = (one.url, two.url, refusing.url)
        found = await asyncio.to_thread(available_models, Access(base_urls=urls, api_key="sk-secret-key"))
    served = [(model.name, model.ready, model.note) for model in found if model.name.startswith("openai:")]
    assert served == [
        ("openai:a", True, f"at {urls[0]}, context 40,960"),
        ("openai:b", True, f"at {urls[0]}"),
        ("openai:NAME", False, f"{urls[1]} does not list its models"),
        ("openai:NAME", False, f"{urls[2]} refused the API key (401: who are you?)"),
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing", "there is no model 'nothing'; a name begins with hf, local, openai, recorded, simulated, vllm"),
        ("simulatd:", "there is no model 'simulatd:'; did you mean simulated?"),
        ("openai:", "openai: names no model"),
        ("recorded:", "recorded: names no file"),
    ],
)
def test_a_name_that_cannot_be_read(name: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        connect(name)
    assert words in str(refused.value)


def test_what_runs_in_this_process_takes_nothing_of_a_server(tmp_path: Path) -> None:
    accesses = {
        "base URL": Access(base_urls=("http://localhost:1",)),
        "header": Access(headers=("a=b",)),
        "API key": Access(api_key="k"),
    }
    for kind in ("simulated:", "local", "recorded:x", "hf:x", "vllm:x"):
        for given, access in accesses.items():
            with pytest.raises(UsageError, match=f"takes no {given}, as it runs in this process"):
                connect(kind, access)
    with pytest.raises(UsageError, match="that folder holds no model"):
        connect(str(tmp_path))


async def test_a_model_is_opened_by_its_name_and_used_as_it_is_where_it_is_open() -> None:
    async with opened("simulated:p=1") as named:
        assert named.name == "simulated:p=1"
        async with opened(named) as same:
            assert same is named
    async with FaultServer() as server:
        lent = connect("openai:fake", Access(base_urls=(server.url,)))
        async with opened(lent) as here:
            assert here is lent
            assert (await here.count_tokens([{"role": "user", "content": ""}])) > 0


@pytest.mark.parametrize("limits", [{"context": 0}, {"concurrency": -1}, {"timeout_s": -1.0}, {"patience_s": -1.0}])
def test_limits_that_cannot_be(limits: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(limits))):
        Access(**limits)
