"""``selfagg train verl``: a run of verl, ready for a cluster."""

from __future__ import annotations

from pathlib import Path

import typer

from selfagg.cli.generate import command
from selfagg.training.verl import VerlRun


@command
def verl(*, data: Path, out: Path, run: VerlRun) -> None:
    """Write a run of verl for a cluster: configuration, reward function, training set, launch script.

    Defaults are the paper's setting. Where verl is installed, the run is checked by verl's own code.

    Args:
        data: A set that selfagg train data made.
        out: The run's folder, which is made.
    """
    run.write(data, out)
    typer.echo(f"{out}: run.sh starts it; README.md says what it needs")
    _check(out)


def _check(out: Path) -> None:
    """Has the installed verl check the run, in a process of its own: verl loads torch and Ray."""
    import subprocess
    import sys
    from importlib.util import find_spec

    from selfagg.errors import SelfaggError

    check = [sys.executable, "-m", "selfagg.training.verl_check", str(out)]
    if find_spec("verl") is None:
        typer.echo(
            f"not checked, as verl is not installed here; where it is: python -m selfagg.training.verl_check {out}"
        )
        return
    done = subprocess.run(check, capture_output=True, text=True, check=False)  # noqa: S603 - our own module
    for line in done.stdout.splitlines():
        typer.echo(f"checked: {line}")
    if done.returncode:
        said = (done.stderr.strip() or "it ended without a word").splitlines()[-1]
        raise SelfaggError(f"{out} is written, but the check by verl failed: {said}")
