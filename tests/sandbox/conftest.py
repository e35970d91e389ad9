"""What programs that attack a sandbox may use up."""

from __future__ import annotations

import pytest

from selfagg.sandbox import Limits


@pytest.fixture
def limits() -> Limits:
    """Tight, so that programs that run into them do so soon: 0.5 s of processor time, 2.5 s by the clock."""
    return Limits(seconds=0.5, memory=512 << 20, disk=32 << 20, output=1 << 20, threads=24, files=64)
