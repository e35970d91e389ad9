"""A guest sees the interpreter and its standard library, and none of the packages that are installed beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from selfagg.sandbox import visible_files as view

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
    monkeypatch.setattr(view, "_SYSTEM", tmp_path)
    monkeypatch.setattr("sys.base_prefix", str(tmp_path / prefix))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / standard))
    monkeypatch.setattr("sysconfig.get_config_var", lambda _: kind)
    seen = {path.relative_to(tmp_path).as_posix() for path in view.python_folders.__wrapped__()}
    assert seen - {"usr/lib"} == shown - {"usr/lib"}
    monkeypatch.setattr(view, "python_folders", view.python_folders.__wrapped__)
    hidden = {path.relative_to(tmp_path).as_posix() for path in view.covered_folders.__wrapped__()}
    assert hidden == covered
