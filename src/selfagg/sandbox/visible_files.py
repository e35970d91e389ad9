"""The files of this machine that a guest may see: the interpreter, its standard library, shared libraries, numpy.

The folder of the standard library holds installed packages too (``site-packages``), and with them benchmarks and
their solutions. What is not needed is covered.
"""

from __future__ import annotations

import sys
import sysconfig
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = ("numpy",)
"""Packages that programs may import, where selfagg has them: those of LiveCodeBench's own harness."""

_SYSTEM = Path("/")
_INSTALLED = ("site-packages", "dist-packages")


def host_python() -> Path:
    """Return the real interpreter behind the one that runs selfagg."""
    return Path(sys.executable).resolve()


@cache
def python_folders() -> tuple[Path, ...]:
    """Return the folders of the host that its interpreter needs: the standard library and shared libraries."""
    wanted = [_own_libraries(), _standard_library(), *_system_libraries()]
    folders = [folder for folder in dict.fromkeys(wanted) if folder.is_dir()]
    return tuple(folder for folder in folders if not any(other in folder.parents for other in folders))


@cache
def covered_folders() -> tuple[Path, ...]:
    """Return the folders inside `python_folders` that are no business of a program."""
    return tuple(folder for root in python_folders() if not root.is_symlink() for folder in _covered(root))


@cache
def package_folders() -> tuple[Path, ...]:
    """Return the folders of packages that programs may import, with the libraries that wheels keep beside them."""
    folders: list[Path] = []
    for name in _PACKAGES:
        spec = find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            folder = Path(spec.submodule_search_locations[0])
            folders += [path for path in (folder, folder.with_name(f"{name}.libs")) if path.is_dir()]
    return tuple(folders)


def _standard_library() -> Path:
    return Path(sysconfig.get_path("stdlib"))


def _own_libraries() -> Path:
    """Return the ``lib`` of an interpreter with a folder of its own; else the standard library."""
    own = Path(sys.base_prefix) / "lib"
    return _standard_library() if own == _SYSTEM / "usr/lib" else own


def _system_libraries() -> list[Path]:
    kind = sysconfig.get_config_var("MULTIARCH")
    apart = bool(kind) and (_SYSTEM / "usr/lib" / kind).is_dir()  # Debian: shared libraries apart from all else
    shared = (f"usr/lib/{kind}", f"lib/{kind}") if apart else ("usr/lib", "lib")
    return [_SYSTEM / folder for folder in (*shared, "usr/lib64", "lib64")]


def _covered(root: Path) -> list[Path]:
    """Return the subfolders to cover: installed packages, and all but the standard library in ``lib``."""
    within = [folder for folder in root.iterdir() if folder.is_dir() and not folder.is_symlink()]
    standard = _standard_library()
    alone = root == standard.parent == _own_libraries()
    covered = [folder for folder in within if folder.name in _INSTALLED or (alone and folder != standard)]
    inner = [folder / name for folder in within if folder not in covered for name in _INSTALLED]
    return covered + [folder for folder in inner if folder.is_dir()]
