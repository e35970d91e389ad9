"""``selfagg compare``: methods side by side on the same questions, run now or recorded before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selfagg.cli.contenders import Contender, ContenderOptions, Match, contenders, matched
from selfagg.cli.options import (
    BatchOptions,
    CodeOptions,
    DryRunOptions,
    ModelOptions,
    QuestionOptions,
    SamplingOptions,
    spread,
)
from selfagg.cli.presets import PresetOption, preset_sampling
from selfagg.cli.terminal import results, show
from selfagg.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from selfagg.benchmarks.given import QuestionSet
    from selfagg.engine.engine import Settings
    from selfagg.engine.run import Schedule


@spread
def compare(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE|RECORD...", help="A benchmark or file to run methods on; or records, or folders of them."
        ),
    ],
    questions: QuestionOptions,
    methods: ContenderOptions,
    model: ModelOptions,
    sampling: SamplingOptions,
    batch: BatchOptions,
    code: CodeOptions,
    dry: DryRunOptions,
    preset: PresetOption = None,
    match: Annotated[
        Match, typer.Option(help="The budget of a question that the methods share with the first of them.")
    ] = "calls",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each method: with --seed and those after it.")] = 1,
    reference: Annotated[
        str | None,
        typer.Option(help="The method to set the others against (default: RSA, or that of the first record)."),
    ] = None,
) -> None:
    """Set methods side by side: accuracy, cost, and whether the difference is more than noise.

    Of records, or of methods that are run now on the same questions at the same budget: they share their first
    samples, and the same command with --out FOLDER goes on where it stopped.
    """
    from rich.console import Console

    from selfagg.cli import stopping
    from selfagg.cli.asked import load_asked
    from selfagg.cli.code import prepare_code
    from selfagg.cli.records import out_folder
    from selfagg.records import compare as compare_records
    from selfagg.records import is_record

    if all(is_record(Path(source)) for source in sources):
        if dry.dry_run:
            raise UsageError("--dry-run says what a run would cost; these are records already")
        if methods != ContenderOptions() or preset or seeds > 1 or batch.out:
            raise UsageError("these are records: methods, sizes, --preset, --seeds and --out are for runs to come")
        compared = compare_records(sources, reference=reference)
        _print({**compared.to_dict(), "where": ", ".join(sources)}, batch.as_json, results())
        return
    if len(sources) > 1:
        known = ", ".join(source for source in sources if not is_record(Path(source)))
        raise UsageError(f"compare takes records, or one source of questions; no record: {known}")
    found = contenders(methods, preset)
    names = [contender.method.name for contender in found]
    if reference is not None and names.count(reference) != 1:
        raise UsageError(f"--reference {reference!r} is not one of the methods to run: {', '.join(names)}")
    settings = preset_sampling(preset, sampling, model.model).settings(methods.candidate)
    asked = load_asked(sources[0], questions)
    plan = _Plan(asked, found, match, range(settings.seed, settings.seed + seeds), settings, methods.schedule, model)
    if dry.dry_run:
        plan.print_costs(dry, batch.as_json)
        return
    console = Console(stderr=True)
    prepare_code(code, asked.questions, console)
    with out_folder(batch.out, asked.name, "compare") as folder:
        paths = stopping.run(plan.run(folder, console), folder)
    compared = compare_records(paths, reference=reference)
    _print({**compared.to_dict(), "match": match, "where": str(folder)}, batch.as_json, results())
    stopping.check_complete(compared.missing, folder)


def _print(found: dict[str, Any], as_json: bool, console: Console) -> None:
    from selfagg.cli.comparison_table import comparison_table

    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        show(comparison_table(found), console)


@dataclass(frozen=True)
class _Plan:
    """What is to be run."""

    asked: QuestionSet
    contenders: Sequence[Contender]
    match: Match
    seeds: Sequence[int]
    settings: Settings
    schedule: Schedule
    model: ModelOptions

    def print_costs(self, dry: DryRunOptions, as_json: bool) -> None:
        from selfagg.cli.dry_run import print_costs, reply_tokens
        from selfagg.experiments.budget import expected_tokens
        from selfagg.experiments.estimate import expected_lengths

        reply = reply_tokens(dry, self.settings.sampling.max_tokens)
        lengths = expected_lengths(self.asked.questions, reply)
        tokens = expected_tokens(self.contenders[0].method, lengths)
        methods = matched(self.contenders, self.match, tokens, lengths)
        note = "Sizes that match tokens are measured on the first run; here they follow from the expected lengths."
        print_costs(
            methods,
            self.asked,
            reply,
            seeds=len(self.seeds),
            as_json=as_json,
            note=note if self.match == "tokens" else "",
        )

    async def run(self, folder: Path, console: Console) -> list[Path]:
        """Every method with every seed; to match tokens the reference's first run says how many it takes."""
        from selfagg.analysis.missing import Missing
        from selfagg.cli.batch import opened_experiment
        from selfagg.cli.terminal import say
        from selfagg.engine.record import Record
        from selfagg.experiments.budget import measured_calls, measured_lengths, measured_tokens

        opened = opened_experiment(self.asked, self.settings, self.schedule, self.model, folder, console)
        async with opened as (experiment, watching):
            adapts = self.contenders[0].method.compares
            if self.match == "none" or (self.match == "calls" and not adapts):
                return await experiment.run_all(matched(self.contenders, self.match), self.seeds, watching)
            first = await experiment.run(self.contenders[0].method, self.seeds[0], watching=watching)
            with Record(first, read_only=True) as record:
                if self.match == "calls":
                    methods = matched(self.contenders, self.match, calls=measured_calls(record))
                    return await experiment.run_all(methods, self.seeds, watching)
                tokens, lengths = measured_tokens(record), measured_lengths(record)
                if words := dict(Missing.of(record).lines()).get("tokens"):
                    say(f"note: tokens were {words}; each is taken to be like the others", console)
            methods = matched(self.contenders, self.match, tokens, lengths)
            return await experiment.run_all(methods, self.seeds, watching)
