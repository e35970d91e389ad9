"""Control groups on a simulated tree of cgroup v2; real ones are used by the other tests where a machine has them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from selfagg.sandbox import Limits, cgroup


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A simulated mount: ``/user/app/terminal``, whose folder ``app`` hands on memory and processes."""
    for place, handed_on in (
        ("", "memory"),
        ("user", "cpu"),
        ("user/app", "cpu memory pids"),
        ("user/app/terminal", ""),
    ):
        (tmp_path / place).mkdir(exist_ok=True)
        control = tmp_path / place / "cgroup.subtree_control"
        control.write_text(handed_on)
        control.chmod(0o444)
    return tmp_path


def entered(group: Path) -> str:
    return (group / "cgroup.procs").read_text()


@pytest.mark.parametrize("own", ["0::/user/app/terminal\n", "1:memory:/x\n0::/user/app/terminal\n", "0::/user/app\n"])
def test_the_nearest_group_that_hands_on_is_home(own: str, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "write_text", refusing("cgroup.subtree_control"))
    monkeypatch.setattr(cgroup, "_PATIENCE_SECONDS", 0.01)  # a simulated group with files in it cannot be removed
    assert cgroup.find_home(tree, own) == tree / "user" / "app"


@pytest.mark.parametrize("own", ["", "1:memory:/x\n", "0::/\n", "0::/user\n", "0::/../other\n"])
def test_none_is_found_where_none_may_be_made(own: str, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "write_text", refusing("cgroup.subtree_control"))
    assert cgroup.find_home(tree, own) is None


def refusing(name: str):  # type: ignore[no-untyped-def]
    """The real write_text, but as for a user who may not write to files of this name."""
    real = Path.write_text

    def write_text(path: Path, text: str) -> int:
        if path.name == name:
            raise PermissionError(path)
        return real(path, text)

    return write_text


def test_a_group_has_the_limits_and_the_command_enters_it(tree: Path) -> None:
    limits = Limits(memory=1 << 30, disk=64 << 20, threads=40)
    group = cgroup.make_in(tree / "user" / "app", limits)
    assert (group / "memory.max").read_text() == str((1 << 30) + (64 << 20) + (256 << 20))
    assert (group / "pids.max").read_text() == "40"
    shown = subprocess.run(cgroup.inside(group, ("echo", "a b", "$0")), capture_output=True, text=True, check=True)
    assert shown.stdout == "a b $0\n"
    assert entered(group) == "0\n"


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    gone, ours = (tmp_path / f"selfagg-guest-{name}" for name in ("999999999-0", f"{os.getpid()}-0"))
    other = tmp_path / "user.slice"
    for folder in (gone, ours, other):
        folder.mkdir()
    cgroup.sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([ours, other])


def test_without_a_group_the_command_is_as_it_was() -> None:
    assert cgroup.inside(None, ("bwrap", "x")) == ("bwrap", "x")


def test_a_group_is_removed_with_what_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = tmp_path / "group"
    group.mkdir()
    tries: list[int] = []
    real = os.rmdir

    def rmdir(path: Path) -> None:
        tries.append(1)
        assert (group / "cgroup.kill").read_text() == "1"
        if len(tries) < 3:
            raise OSError("busy: its processes are ending")
        (group / "cgroup.kill").unlink()
        real(path)

    monkeypatch.setattr("pathlib.os.rmdir", rmdir)
    cgroup.remove(group)
    assert not group.exists()
    cgroup.remove(group)
