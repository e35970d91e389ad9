"""``selfagg train``: one subcommand a job, one file each; a new one adds a line to ``COMMANDS``."""

from __future__ import annotations

from collections.abc import Callable

import typer

from selfagg.cli.train_data import data
from selfagg.cli.train_rl import rl

COMMANDS: dict[str, Callable[..., None]] = {
    "data": data,
    "rl": rl,
}

train = typer.Typer(help="Train a model to aggregate: data, reinforcement learning on one machine.")

for _name, _command in COMMANDS.items():
    train.command(_name)(_command)
