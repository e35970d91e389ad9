"""A minute of work against a server that fails every tenth time: memory and open files are flat."""

import pytest
from benchmarks.soak import SAMPLES, soak

SECONDS = 60.0


@pytest.mark.slow
@pytest.mark.parametrize("what", ["eval", "serve"])
def test_memory_and_open_files_are_flat(what: str) -> None:
    trace = soak(what, SECONDS)
    assert len(trace.seconds) == SAMPLES
    assert trace.calls[-1] > trace.calls[SAMPLES // 2] > 100
    assert trace.growth(trace.mebibytes) < 24
    assert trace.growth(trace.files) < 48  # connections come and go: 64 calls at once, 16 clients
