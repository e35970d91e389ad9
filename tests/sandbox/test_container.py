"""The command lines of Docker and Podman; no engine is needed, a stand-in plays its part."""

from __future__ import annotations

import asyncio
import itertools
import shlex
import sys
from pathlib import Path

import pytest

from selfagg.sandbox import Limits, ProgramResult, load_program
from selfagg.sandbox.container import Container

STAND_IN = """#!{python}
import os, sys
with open({log!r}, "a") as log: log.write(repr(sys.argv[1:]) + "\\n")
if sys.argv[1] != "run": sys.exit(0)
# Runs the guest here, with the folders that the command line shows to the container in their real places.
argv = sys.argv[sys.argv.index("python3"):]
for place, option in enumerate(sys.argv):
    if option == "--volume":
        source, inside, mode = sys.argv[place + 1].split(":")
        link = {root!r} + inside
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.path.lexists(link) or os.symlink(source, link)
argv[-1] = argv[-1].replace("/guest", {root!r} + "/guest").replace("/packages", {root!r} + "/packages")
os.makedirs({root!r} + "/work", exist_ok=True)
os.chdir({root!r} + "/work")
os.execv({python!r}, argv)
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for docker; gives the file where it writes down how it was called."""
    log = tmp_path / "log"
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(STAND_IN.format(python=sys.executable, log=str(log), root=str(tmp_path / "root")))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return log


def test_a_container_has_no_network_no_rights_and_limits() -> None:
    limits = Limits(memory=1 << 30, disk=64 << 20, threads=40)
    arguments = list(Container("docker", "image").command("worker", limits).arguments)
    pairs = list(itertools.pairwise(arguments))
    for pair in [
        ("--network", "none"),
        ("--cap-drop", "ALL"),
        ("--security-opt", "no-new-privileges"),
        ("--user", "65534:65534"),
        ("--pids-limit", "40"),
        ("--memory", str((1 << 30) + (64 << 20) + (256 << 20))),
        ("--memory-swap", str((1 << 30) + (64 << 20) + (256 << 20))),
        ("--cpus", "1"),
        ("--pull", "never"),
        ("--tmpfs", f"/tmp:rw,nosuid,nodev,size={64 << 20},mode=1777"),
    ]:
        assert pair in pairs
    assert "--read-only" in arguments
    assert all(value.endswith(":ro") for option, value in pairs if option == "--volume")
    assert arguments.index("image") == arguments.index("python3") - 1


def test_keys_stay_out_of_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    command = Container("podman").command("worker", Limits())
    assert "secret" not in shlex.join(command.arguments)
    assert "OPENAI_API_KEY" not in command.environment


def test_each_container_has_a_name_of_its_own_to_be_stopped_by() -> None:
    first, second = (Container("docker").command("worker", Limits()) for _ in range(2))
    assert first.stop != second.stop
    assert first.stop is not None
    assert first.stop[:3] == ("docker", "rm", "--force")
    assert first.stop[3] in first.arguments


async def test_programs_run_and_containers_are_removed(engine: Path) -> None:
    container = Container("docker")
    assert container.trouble() is None
    async with load_program(container, "print(int(input()) + 1)", Limits()) as program:
        assert await program.run("1") == ProgramResult("2\n")
    calls = await asyncio.to_thread(engine.read_text)
    assert "'info'" in calls
    assert "'image', 'inspect', 'docker.io/library/python:" in calls
    assert calls.splitlines()[-1].startswith("['rm', '--force', 'selfagg-")


def test_an_engine_that_does_not_answer_is_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "podman"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Container("podman").trouble() == "podman is installed but its engine does not answer"
    program.write_text('#!/bin/sh\ntest "$1" = info\n')
    trouble = Container("podman", "python:3").trouble()
    assert trouble == "podman has no image python:3 (podman pull python:3)"
