"""The command line of bubblewrap, the users of its guests, and what they see.

A guest sees the interpreter and its standard library, and none of the packages that are installed beside it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from selfagg.sandbox import Limits, bubblewrap
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


LAYOUTS = {
    # name: (base prefix, standard library, MULTIARCH, other folders, what is shown, what is covered)
    "pyenv or uv": (
        "home/u/py",
        "home/u/py/lib/python3.11",
        "",
        ("home/u/py/lib/python3.11/site-packages", "home/u/py/lib/tcl8.6", "home/u/py/lib/python3.11/json"),
        {"home/u/py/lib"},
        {"home/u/py/lib/python3.11/site-packages", "home/u/py/lib/tcl8.6"},
    ),
    "conda": (
        "opt/conda/envs/e",
        "opt/conda/envs/e/lib/python3.12",
        "",
        ("opt/conda/envs/e/lib/python3.12/site-packages", "opt/conda/envs/e/lib/R/library", "opt/conda/envs/e/share"),
        {"opt/conda/envs/e/lib"},
        {"opt/conda/envs/e/lib/python3.12/site-packages", "opt/conda/envs/e/lib/R"},
    ),
    "Docker's python": (
        "usr/local",
        "usr/local/lib/python3.13",
        "",
        ("usr/local/lib/python3.13/site-packages", "usr/local/lib/node_modules"),
        {"usr/local/lib"},
        {"usr/local/lib/python3.13/site-packages", "usr/local/lib/node_modules"},
    ),
    "Debian": (
        "usr",
        "usr/lib/python3.11",
        "x86_64-linux-gnu",
        ("usr/lib/python3/dist-packages", "usr/lib/python3.11/dist-packages", "usr/lib/x86_64-linux-gnu/blas"),
        {"usr/lib/python3.11", "usr/lib/x86_64-linux-gnu"},
        {"usr/lib/python3.11/dist-packages"},
    ),
    "Fedora": (
        "usr",
        "usr/lib64/python3.13",
        "x86_64-linux-gnu",
        ("usr/lib64/python3.13/site-packages", "usr/lib/python3.13/site-packages", "usr/lib64/openblas"),
        {"usr/lib64", "usr/lib"},
        {"usr/lib64/python3.13/site-packages", "usr/lib/python3.13/site-packages"},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_installed_packages_are_covered(layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix, standard, kind, others, shown, covered = LAYOUTS[layout]
    for folder in (standard, *others, "usr/lib"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(bubblewrap, "_SYSTEM", tmp_path)
    monkeypatch.setattr("sys.base_prefix", str(tmp_path / prefix))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / standard))
    monkeypatch.setattr("sysconfig.get_config_var", lambda _: kind)
    seen = {path.relative_to(tmp_path).as_posix() for path in bubblewrap.python_folders()}
    assert seen - {"usr/lib"} == shown - {"usr/lib"}
    folders = bubblewrap.covered_folders(bubblewrap.python_folders())
    assert {path.relative_to(tmp_path).as_posix() for path in folders} == covered
