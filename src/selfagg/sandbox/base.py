"""The interface of a sandbox: limits, the command that starts a guest, and what of this machine all guests may see."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

GUEST = Path(__file__).parent / "guest"  # the files that run inside
ROOT, PACKAGES = "/guest", "/packages"
"""The places in which a sandbox shows the guest's files and the packages that programs may import."""

LEAST_SHARE = 0.02
"""Share of a processor that tells a program at work on a machine with 50 jobs a core from one that sleeps."""

ENVIRONMENT: Mapping[str, str] = {
    "LANG": "C.UTF-8",
    "HOME": "/tmp",  # noqa: S108 - the guest's own
    "PYTHONHASHSEED": "0",  # sets come in the same order every time
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""The variables a guest gets: none of the user's, so no keys."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for a program.

    Attributes:
        seconds: Processor time of one run, rounded up to whole seconds by the kernel's own limit.
        memory: Address space of the program, in bytes. It can have no second process, so this is all its memory.
        disk: Size of its folder, in bytes.
        output: Most bytes of its standard output, of a returned value, and of any file it writes.
        threads: Most threads, its own and the sandbox's (a few) together.
        files: Most open files.
        entries: Most files, folders and links in its folder: an empty one takes memory too.
    """

    seconds: float = 6.0
    memory: int = 2 << 30
    disk: int = 256 << 20
    output: int = 16 << 20
    threads: int = 64
    files: int = 128
    entries: int = 20_000

    @property
    def wall_seconds(self) -> float:
        """Return the time by the clock that any run may take; after that, it must have a share of the processor."""
        return 10 * self.seconds + 10

    @property
    def longest_seconds(self) -> float:
        """Return the most time by the clock of a run that has the least share of the processor all the time."""
        return max(self.wall_seconds, self.seconds / LEAST_SHARE)

    @property
    def total_memory(self) -> int:
        """Return the most memory of a guest with all that it holds: program, folder, and the worker."""
        return self.memory + self.disk + (256 << 20)


@dataclass(frozen=True, slots=True)
class Command:
    """The way to start one guest, and to end it."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)  # all that it gets
    user: int | None = None  # that the guest must become before it runs a program
    count_threads: bool = False  # it can limit its threads by counting its user's
    count_entries: bool = False  # its folder is a file system of its own, whose files can be counted
    folder: Path | None = None  # in which to start it; the folder's parent is removed at the end
    group: Path | None = None  # the control group that it is in, to be removed with all that is in it
    stop: tuple[str, ...] | None = None  # a command that ends it, where killing the first one would not

    def guest_limits(self, limits: Limits, cpu: int | None) -> dict[str, Any]:
        """Return the limits that the guest sets on itself; ``cpu``: the processor to stay on."""
        own = {"cpu": cpu, "user": self.user, "count_threads": self.count_threads}
        told = asdict(limits) | {"wall_seconds": limits.wall_seconds, "least_share": LEAST_SHARE} | own
        return told if self.count_entries else told | {"entries": None}


class Sandbox(Protocol):
    """One kind of sandbox; a file of this package each."""

    @property
    def name(self) -> str:
        """Return the name by which a user chooses the sandbox."""
        ...

    @property
    def limits(self) -> str:
        """Return a few words for the user on who enforces the limits here."""
        ...

    def command(self, guest: str, limits: Limits) -> Command:
        """Return the command that starts the guest of this name (a module of `selfagg.sandbox.guest`)."""
        ...

    def trouble(self) -> str | None:
        """Return why the sandbox cannot be used on this machine, in a few words, or None. May start processes."""
        ...


def host_python() -> Path:
    """Return the real interpreter behind the one that runs selfagg."""
    return Path(sys.executable).resolve()


def python_arguments(python: str, guest: str, root: str = ROOT, packages: str = PACKAGES) -> tuple[str, ...]:
    """Return the command line of a guest: a bare interpreter, the standard library, and the guest's files in ``root``.

    ``packages`` is the folder of packages that programs may import.
    """
    start = f"import sys; sys.path[:0] = [{root!r}]; sys.path.append({packages!r}); "
    return (python, "-S", "-s", "-P", "-c", f"{start}from selfagg.sandbox.guest.{guest} import main; main()")


@cache
def package_folders() -> tuple[Path, ...]:
    """Return the folders of numpy, which programs may import as in LiveCodeBench's own harness, where we have it."""
    spec = find_spec("numpy")
    if spec is None or not spec.submodule_search_locations:
        return ()
    folder = Path(spec.submodule_search_locations[0])
    return tuple(path for path in (folder, folder.with_name("numpy.libs")) if path.is_dir())
