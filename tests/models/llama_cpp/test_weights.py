from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from selfagg.errors import UsageError
from selfagg.models.llama_cpp.weights import choose_file, find_weights


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    with pytest.raises(UsageError, match=r"no file .*model\.gguf"):
        find_weights(str(path))
    path.touch()
    assert find_weights(str(path)) == path


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["m-Q8_0.gguf", "m-Q4_K_M.gguf", "m-Q4_0.gguf", "README.md"], "m-Q4_K_M.gguf"),
        (["m.Q8_0.gguf", "m.f16.gguf", "m.q2_k.gguf"], "m.Q8_0.gguf"),
        (["big/m-Q4_K_M-00002-of-00002.gguf", "big/m-Q4_K_M-00001-of-00002.gguf"], "big/m-Q4_K_M-00001-of-00002.gguf"),
        (["mmproj-Q4_K_M.gguf", "odd.gguf"], "odd.gguf"),
        (["model.safetensors"], None),
        ([], None),
    ],
)
def test_the_version_in_about_four_bits(names: list[str], chosen: str | None) -> None:
    assert choose_file(names) == chosen


Hub = Callable[..., None]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    """Stands in for the hub: which files it has, or how it fails, and which were fetched before."""
    module = pytest.importorskip("huggingface_hub")

    def install(*files: str, error: Exception | None = None, fetched: tuple[str, ...] = ()) -> None:
        def model_info(repository: str, *, timeout: float) -> SimpleNamespace:
            if error:
                raise error
            return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in files])

        def snapshot_download(repository: str, *, allow_patterns: Any = None, local_files_only: bool = False) -> str:
            if error and not local_files_only:
                raise error
            if local_files_only and not fetched:
                raise FileNotFoundError
            for name in fetched if local_files_only else set(files) & set(allow_patterns):
                (tmp_path / name).touch()
            return str(tmp_path)

        monkeypatch.setattr(module, "model_info", model_info)
        monkeypatch.setattr(module, "snapshot_download", snapshot_download)

    return install


def test_from_the_hub(hub: Hub, tmp_path: Path) -> None:
    hub("m-Q8_0.gguf", "m-Q4_K_M.gguf")
    assert find_weights("hf:owner/name") == tmp_path / "m-Q4_K_M.gguf"
    assert find_weights("hf:owner/name:m-Q8_0.gguf") == tmp_path / "m-Q8_0.gguf"
    with pytest.raises(UsageError, match=r"no file other\.gguf"):
        find_weights("hf:owner/name:other.gguf")


def test_all_parts_from_the_hub(hub: Hub, tmp_path: Path) -> None:
    parts = [f"m-Q4_K_M-0000{i}-of-00003.gguf" for i in (1, 2, 3)]
    hub(*parts, "m-Q8_0.gguf")
    assert find_weights("hf:owner/name") == tmp_path / parts[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == parts


def test_no_gguf_on_the_hub(hub: Hub) -> None:
    hub("model.safetensors")
    with pytest.raises(UsageError, match="holds no GGUF file"):
        find_weights("hf:owner/name")


def test_without_a_network(hub: Hub, tmp_path: Path) -> None:
    hub(error=httpx2.ConnectError("no name"))
    with pytest.raises(UsageError, match=r"cannot be reached.*local:PATH\.gguf"):
        find_weights("hf:owner/name")
    hub(error=ConnectionError("no route"))
    with pytest.raises(UsageError, match=r"cannot be reached.*local:PATH\.gguf"):
        find_weights("hf:owner/name")
    hub(error=ConnectionError("no route"), fetched=("m-Q8_0.gguf", "m-Q4_K_M.gguf"))
    assert find_weights("hf:owner/name") == tmp_path / "m-Q4_K_M.gguf"
    assert find_weights("hf:owner/name:m-Q8_0.gguf") == tmp_path / "m-Q8_0.gguf"
    with pytest.raises(UsageError, match="cannot be reached"):
        find_weights("hf:owner/name:other.gguf")


def test_a_name_that_is_none() -> None:
    pytest.importorskip("huggingface_hub")
    with pytest.raises(UsageError, match=r"OWNER/NAME"):
        find_weights("hf:a/b/c")


def test_offline_for_real(monkeypatch: pytest.MonkeyPatch) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match="cannot be reached"):
        find_weights("hf:owner/no-such-repository-of-anyone")


def test_without_huggingface_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match=r"pip install 'selfagg\[hub\]'"):
        find_weights("hf:owner/name")
