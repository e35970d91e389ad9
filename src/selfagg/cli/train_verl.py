"""``selfagg train verl``: a run of verl, ready for a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selfagg.cli.options import METHOD, MODEL, RUN


def verl(
    data: Annotated[Path, typer.Option(help="A set that selfagg train data made.", rich_help_panel=RUN)],
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="A name on the hub, or a folder of safetensors.", rich_help_panel=MODEL),
    ],
    out: Annotated[Path, typer.Option(help="The run's folder, which is made.", rich_help_panel=RUN)],
    gpus: Annotated[int, typer.Option(min=1, help="GPUs of a node.", rich_help_panel=RUN)] = 4,
    nodes: Annotated[int, typer.Option(min=1, help="Nodes.", rich_help_panel=RUN)] = 1,
    tensor_parallel: Annotated[
        int, typer.Option(min=1, help="GPUs for one replica of the model when it samples.", rich_help_panel=RUN)
    ] = 1,
    steps: Annotated[int, typer.Option(min=1, help="Steps, one update each.", rich_help_panel=METHOD)] = 300,
    prompts: Annotated[
        int, typer.Option(min=1, help="Prompts of a step, 4 responses to each.", rich_help_panel=METHOD)
    ] = 256,
    max_prompt_tokens: Annotated[
        int, typer.Option(min=1, help="Most tokens of a prompt.", rich_help_panel=METHOD)
    ] = 33_792,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of a response.", rich_help_panel=METHOD)] = 8_192,
) -> None:
    """Write a run of verl for a cluster: configuration, reward function, training set, launch script.

    Defaults are the paper's setting. Where verl is installed, the run is checked by verl's own code.
    """
    from selfagg.training.verl import VerlRun

    run = VerlRun(
        model=model,
        gpus=gpus,
        nodes=nodes,
        tensor_parallel=tensor_parallel,
        max_prompt_tokens=max_prompt_tokens,
        max_tokens=max_tokens,
        prompts=prompts,
        steps=steps,
    )
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
