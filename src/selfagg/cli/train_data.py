"""``selfagg train data``: problems and a model's candidates for them, made into training prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def data(
    problems: Annotated[str, typer.Option(help="A benchmark, reasoning_gym:TASK\\[,TASK...], or a file.")],
    out: Annotated[Path, typer.Option(help="The folder of the set: a new one, or one to go on with.")],
) -> None:
    """Make a training set: plain problems, and problems with candidates of the model that is to be trained."""
