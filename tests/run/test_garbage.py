from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from selfagg.run.garbage import OLDER, RARE, rarely_searched


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_searches_are_rare_within_and_as_before_after() -> None:
    gc.set_threshold(700, 9, 8)
    with rarely_searched():
        assert gc.get_threshold() == (RARE, OLDER, 8)
    assert gc.get_threshold() == (700, 9, 8)
    with pytest.raises(KeyError), rarely_searched():
        raise KeyError
    assert gc.get_threshold() == (700, 9, 8)


@pytest.mark.parametrize("often", [0, 10 * RARE])
def test_one_who_wants_still_fewer_keeps_them(often: int) -> None:
    gc.set_threshold(often, 10, 10)
    with rarely_searched():
        assert gc.get_threshold()[0] == often
