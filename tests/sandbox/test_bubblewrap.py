"""The command line of bubblewrap, and the users of its guests."""

from __future__ import annotations

import os

import pytest

from selfagg.sandbox import Limits
from selfagg.sandbox.bubblewrap import Bubblewrap, _free_users


@pytest.mark.parametrize(
    ("uid_map", "lowest", "highest"),
    [
        ("         0          0 4294967295\n", 0x70000000, 0x7FFFFFFE),
        ("         0       1000          1\n         1     100000      65536\n", 32769, 65536),
    ],
)
def test_users_are_taken_from_those_that_nobody_has(uid_map: str, lowest: int, highest: int) -> None:
    users = _free_users(uid_map)
    assert (users[0], users[-1]) == (lowest, highest)


def test_a_root_that_is_alone_in_its_namespace_has_no_other_user() -> None:
    assert not _free_users("0 1000 1\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only guests of root become another user")
def test_two_guests_have_two_users() -> None:
    users = [Bubblewrap().command("worker", Limits()).user for _ in range(20)]
    assert len(set(users)) == 20
    assert 0 not in users


def test_a_guest_of_a_user_is_the_first_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    command = Bubblewrap().command("worker", Limits())
    assert {"--as-pid-1", "--unshare-user", "--new-session", "--die-with-parent"} <= set(command.arguments)
    assert "--proc" not in command.arguments
    assert command.user is None
    assert command.environment == {}


def test_it_says_who_bounds_programs() -> None:
    assert "control group" in Bubblewrap().limits
    assert "resource limits" in Bubblewrap().limits
