"""``selfagg train data``: problems and a model's candidates for them, made into training prompts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfagg.benchmarks.base import Selection
from selfagg.cli.generate import command
from selfagg.cli.options import CodeOptions, ModelChoice
from selfagg.run.engine import Settings
from selfagg.terminal import print_result, say
from selfagg.training.recipe import Recipe

if TYPE_CHECKING:
    from rich.console import Console

    from selfagg.training.data import DataPlan


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
        as_json: Print one JSON object on stdout.
    """
    from rich.console import Console

    from selfagg.analysis.missing import Missing
    from selfagg.cli import stopping, values
    from selfagg.cli.code import prepare_code
    from selfagg.cli.options import preset_settings
    from selfagg.models import connect
    from selfagg.training.data import CANDIDATES, NO_MODEL, DataPlan, finished_set, load_problems

    settings = preset_settings(None, settings, model.model)
    sizes = [None] if size is None else [values.size("--size", one.strip()) for one in size.split(",")]
    console = Console(stderr=True)
    with console.status("loading the problems ..."):
        loaded = load_problems(problems, questions, sizes)
    asked = recipe.fraction > 0 or recipe.max_prompt_tokens is not None
    name = connect(model.model, model.access).name if asked else NO_MODEL
    plan = DataPlan(loaded, recipe, settings, name, told={"command": stopping.command_line()})
    facts = finished_set(out, plan)
    if facts is not None:
        say(f"{out} holds this very set already; nothing is made again", console)
    else:
        prepare_code(code, loaded.questions, console)
        reused = reuse / CANDIDATES if reuse is not None and reuse.is_dir() else reuse
        facts = stopping.run(_make(out, plan, model if asked else None, reused, console), out)
    print_result(facts, lambda facts: _told(facts, out), as_json=as_json)
    if facts["candidates"]:
        stopping.check_complete(Missing.read(facts["candidates"]["missing"]), out)


async def _make(
    out: Path, plan: DataPlan, choice: ModelChoice | None, reused: Path | None, console: Console
) -> dict[str, Any]:
    from selfagg.cli.opening import opened_model
    from selfagg.progress_bar import ProgressBar
    from selfagg.training.data import make_set

    if choice is None:
        return await make_set(out, plan)
    bar, most = ProgressBar(console), choice.access.concurrency
    async with opened_model(choice, console) as model:
        return await make_set(out, plan, model, concurrency=most, reused=reused, watching=bar.of)


def _told(facts: Mapping[str, Any], out: Path) -> Any:
    from rich.text import Text

    from selfagg.analysis.missing import Missing
    from selfagg.cli.tables import interval, percent
    from selfagg.progress_bar import described_model

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
