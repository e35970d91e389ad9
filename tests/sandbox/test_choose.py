"""A sandbox is found, or it is said what to install; none is never chosen in silence."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from selfagg.errors import UsageError
from selfagg.sandbox import choose_sandbox


@pytest.fixture(autouse=True)
def forget() -> None:
    choose_sandbox.cache_clear()


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_bubblewrap_is_the_first_choice() -> None:
    chosen = choose_sandbox()
    assert chosen.name == "bubblewrap"


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("preference", [None, "bubblewrap", "docker", "podman"])
def test_without_any_it_says_what_to_install(preference: str | None) -> None:
    with pytest.raises(UsageError, match=r"install bubblewrap, or say --unsafe-run-code-unprotected") as error:
        choose_sandbox(preference)
    assert f"{preference or 'podman'} is not installed" in str(error.value)


@pytest.mark.usefixtures("nothing_installed")
def test_unprotected_must_be_asked_for() -> None:
    chosen = choose_sandbox("unprotected")
    assert chosen.name == "unprotected"


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no sandbox 'jail'"):
        choose_sandbox("jail")


def test_a_bubblewrap_that_does_not_work_is_not_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"bubblewrap does not work here .*No permissions to create"):
        choose_sandbox()
