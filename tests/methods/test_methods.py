"""Methods by their names, or as they are."""

from __future__ import annotations

import pytest

from selfagg.errors import UsageError
from selfagg.methods import RSA, method_given, method_named


def test_a_method_is_given_by_name_or_as_it_is() -> None:
    assert method_given("rsa", n=4, k=2, t=None) == RSA(n=4, k=2)
    assert method_given(RSA(n=4), n=None) == RSA(n=4)
    with pytest.raises(UsageError, match=r"write RSA\(\)"):
        method_given(RSA)
    with pytest.raises(UsageError, match="n and t goes with a method's name"):
        method_given(RSA(), n=4, t=3)
    with pytest.raises(UsageError, match="must be a name"):
        method_given(3)


def test_the_papers_settings_are_the_defaults() -> None:
    assert method_named("rsa").settings() == {"name": "rsa", "n": 16, "k": 4, "t": 10, "order": "random"}


def test_unknown_methods_name_the_near_one_or_all() -> None:
    with pytest.raises(UsageError, match="did you mean self-refine"):
        method_named("self_refine")
    with pytest.raises(UsageError, match=r"there are rsa, single"):
        method_named("zzz")
