"""Cores and memory under quotas: control groups as Linux describes them, written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from selfagg._internal.machine import cores, memory, processors

ALL = len(processors())


def process(folder: Path, groups: str, *mounts: str) -> Path:
    """Write what /proc/self tells of a process."""
    (folder / "cgroup").write_text(groups)
    (folder / "mountinfo").write_text("".join(f"{line}\n" for line in mounts))
    return folder


def unified(folder: Path, path: str, root: str = "/") -> Path:
    """Write what /proc/self tells of a process in a group of version 2."""
    return process(folder, f"0::{path}\n", f"31 23 0:28 {root} {folder}/v2 rw,relatime shared:4 - cgroup2 cgroup2 rw")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", ALL),
        ("100000 100000", 1),
        ("5000 100000", 1),
        ("150000 100000", min(2, ALL)),
        ("100001 100000", min(2, ALL)),
        ("99900000 100000", ALL),
        ("0 100000", ALL),
        ("junk", ALL),
        ("100000 0", ALL),
    ],
)
def test_a_quota_bounds_the_cores(quota: str, expected: int, tmp_path: Path) -> None:
    write(tmp_path / "v2/cpu.max", quota)
    assert cores(unified(tmp_path, "/")) == expected


@pytest.mark.parametrize("bounded", ["a/b/c", "a/b", "a", "."])
def test_the_groups_around_its_own_count_and_no_others(bounded: str, tmp_path: Path) -> None:
    write(tmp_path / "v2/a/b/c/cpu.max", "max 100000")
    write(tmp_path / "v2/other/cpu.max", "5000 100000")
    write(tmp_path / "v2/a/b/c/d/cpu.max", "5000 100000")
    assert cores(unified(tmp_path, "/a/b/c")) == ALL
    write(tmp_path / "v2" / bounded / "cpu.max", "100000 100000")
    assert cores(unified(tmp_path, "/a/b/c")) == 1


@pytest.mark.parametrize(
    ("path", "root"), [("/docker/x", "/docker/x"), ("/docker/x/sub", "/docker/x"), ("/", "/../..")]
)
def test_a_container_that_sees_a_part_of_the_tree(path: str, root: str, tmp_path: Path) -> None:
    write(tmp_path / "v2/cpu.max", "100000 100000")
    assert cores(unified(tmp_path, path, root)) == 1


@pytest.mark.parametrize(("path", "root"), [("/a/b", "/"), ("/docker/x/a/b", "/docker/x")])
@pytest.mark.parametrize(("quota", "expected"), [("-1", ALL), ("100000", 1), ("20000", 1), ("junk", ALL)])
def test_version_1(path: str, root: str, quota: str, expected: int, tmp_path: Path) -> None:
    write(tmp_path / "v1/a/cpu.cfs_quota_us", quota)
    write(tmp_path / "v1/a/cpu.cfs_period_us", "100000")
    groups = f"5:memory:/elsewhere\n4:cpu,cpuacct:{path}\n1:name=systemd:/\n0::/\n"
    mounts = (
        f"30 23 0:27 / {tmp_path}/memory rw - cgroup cgroup rw,memory",
        f"31 23 0:28 {root} {tmp_path}/v1 rw - cgroup cgroup rw,cpu,cpuacct",
        f"32 23 0:29 / {tmp_path}/v2 rw - cgroup2 cgroup2 rw",
        "33 23 0:30 / /proc rw - proc proc rw",
    )
    assert cores(process(tmp_path, groups, *mounts)) == expected


def test_without_control_groups_the_affinity_counts(tmp_path: Path) -> None:
    assert cores(tmp_path) == ALL
    assert cores(process(tmp_path, "")) == ALL
    assert 1 <= cores() <= ALL


@pytest.mark.parametrize(("text", "expected"), [("1048576", 2**20), ("max", None), (str(2**62), None), ("junk", None)])
def test_a_container_bounds_the_memory(text: str, expected: int | None, tmp_path: Path) -> None:
    everything = memory(tmp_path)
    assert everything > 2**28
    write(tmp_path / "v2/a/memory.max", text)
    assert memory(unified(tmp_path, "/a/b")) == (expected or everything)
    write(tmp_path / "v1/memory.limit_in_bytes", text)
    mount = f"30 23 0:27 / {tmp_path}/v1 rw - cgroup cgroup rw,memory"
    assert memory(process(tmp_path, "4:memory:/b\n", mount)) == (expected or everything)
