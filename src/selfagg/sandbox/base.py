"""What a sandbox is: a way to start one of our guests so that it can reach nothing but its channel."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

GUEST = Path(__file__).parent / "guest"
"""The files that run inside."""

_PACKAGES = ("numpy",)
"""Packages that programs may import, where selfagg has them: those of LiveCodeBench's own harness."""

_START = (
    "import sys; sys.path[:0] = [{root!r}]; sys.path.append({packages!r}); "
    "from selfagg.sandbox.guest.{guest} import main; main()"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use.

    Attributes:
        seconds: Processor time of one run, rounded up to whole seconds by the kernel's own limit.
        memory: Address space of the program, in bytes. It can have no second process, so this is all its memory.
        disk: Size of its folder, in bytes.
        output: Most bytes of its standard output, of a returned value, and of any file it writes.
        threads: Most threads, its own and the sandbox's (a few) together.
        files: Most open files.
    """

    seconds: float = 6.0
    memory: int = 2 << 30
    disk: int = 256 << 20
    output: int = 16 << 20
    threads: int = 64
    files: int = 128

    @property
    def wall_seconds(self) -> float:
        """Most time that one run may take by the clock: a busy machine must make no right program wrong."""
        return 10 * self.seconds + 10


@dataclass(frozen=True, slots=True)
class Command:
    """How to start one guest.

    Attributes:
        arguments: The command line.
        environment: All environment variables it gets.
        user: Id of the user that the guest must become before it runs a program, or None.
        count_threads: Whether the guest can limit its threads by counting its user's.
        folder: Where to start it, or None if that does not matter.
        remove: A folder to remove, with everything in it, when it has ended, or None.
        stop: A command that ends it, where killing the first one would not, or None.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: int | None = None
    count_threads: bool = False
    folder: Path | None = None
    remove: Path | None = None
    stop: tuple[str, ...] | None = None

    def guest_limits(self, limits: Limits, cpu: int | None) -> dict[str, Any]:
        """What the guest is told to limit itself to; ``cpu``: the processor to stay on."""
        own = {"cpu": cpu, "user": self.user, "count_threads": self.count_threads}
        return asdict(limits) | {"wall_seconds": limits.wall_seconds} | own


class Sandbox(Protocol):
    """One kind of sandbox; a file of this package each.

    Attributes:
        name: What a user calls it.
        protects: Whether it keeps a program from the machine.
    """

    @property
    def name(self) -> str: ...

    @property
    def protects(self) -> bool: ...

    def command(self, guest: str, limits: Limits) -> Command:
        """How to start the guest of this name (a module of `selfagg.sandbox.guest`)."""
        ...

    def trouble(self) -> str | None:
        """Why it cannot be used on this machine, in a few words, or None if it can. May start processes."""
        ...


def python_arguments(python: str, guest: str, root: str, packages: str) -> tuple[str, ...]:
    """The command line of a guest: a bare interpreter that sees the standard library and the guest's files.

    Args:
        python: The interpreter.
        guest: The guest's name.
        root: The folder that holds ``selfagg/sandbox/guest``.
        packages: The folder of packages that programs may import.
    """
    start = _START.format(root=root, packages=packages, guest=guest)
    return (python, "-S", "-s", "-P", "-c", start)


def guest_environment() -> dict[str, str]:
    """The variables a guest gets: none of the user's, so no keys; sets come in the same order every time."""
    return {
        "LANG": "C.UTF-8",
        "HOME": "/tmp",  # noqa: S108 - the guest's own
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def host_python() -> Path:
    """The real interpreter behind the one that runs selfagg."""
    return Path(sys.executable).resolve()


def python_folders() -> list[Path]:
    """Folders of the host that its interpreter needs: the standard library and shared libraries."""
    wanted = [
        Path(sys.base_prefix) / "lib",
        Path(sysconfig.get_path("stdlib")),
        *(Path(folder) for folder in ("/usr/lib", "/usr/lib64", "/lib", "/lib64")),
    ]
    folders = [folder for folder in dict.fromkeys(wanted) if folder.is_dir()]
    return [folder for folder in folders if not any(other in folder.parents for other in folders)]


def package_folders() -> list[Path]:
    """Folders of the packages that programs may import (with the libraries that wheels keep beside them)."""
    folders = []
    for name in _PACKAGES:
        spec = find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            folder = Path(spec.submodule_search_locations[0])
            folders += [path for path in (folder, folder.with_name(f"{name}.libs")) if path.is_dir()]
    return folders
