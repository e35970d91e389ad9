from __future__ import annotations

import os
from pathlib import Path

from selfagg.models.machine import cores, memory


def test_a_quota_bounds_the_cores(tmp_path: Path) -> None:
    everything = cores(tmp_path)
    assert 1 <= everything <= (os.cpu_count() or 1)
    for text, expected in {"max 100000": everything, "100000 100000": 1, "5000 100000": 1, "junk": everything}.items():
        (tmp_path / "cpu.max").write_text(f"{text}\n")
        assert cores(tmp_path) == expected


def test_a_container_bounds_the_memory(tmp_path: Path) -> None:
    everything = memory(tmp_path)
    assert everything > 2**28
    for text, expected in {"max": everything, "1048576": 2**20, str(2**62): everything}.items():
        (tmp_path / "memory.max").write_text(f"{text}\n")
        assert memory(tmp_path) == expected
