"""The list of models that can be called from here."""

from __future__ import annotations

import asyncio

import pytest
from openai_faults import FaultServer, refuse, send

from selfagg.models import Access, available
from selfagg.models.available import AvailableModel, available_models


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def listed(access: Access | None = None) -> dict[str, AvailableModel]:
    return {model.name: model for model in available_models(access)}


def test_what_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    there: set[str] = set()
    monkeypatch.setattr(available, "_version", lambda package: "1.2" if package in there else None)
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
