"""``selfagg compare``: methods side by side on the same questions, run now or recorded before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from selfagg.benchmarks.base import Selection
from selfagg.cli.generate import command
from selfagg.cli.options import BatchOptions, CodeOptions, DryRunOptions, MethodSettings, ModelChoice
from selfagg.evaluation.contenders import Match
from selfagg.evaluation.presets import Preset
from selfagg.run.engine import Settings

if TYPE_CHECKING:
    from selfagg.evaluation.compared import Compared

METHODS = "rsa,majority,self-refine"


@command
def compare(
    sources: list[str],
    *,
    questions: Selection,
    method: MethodSettings,
    model: ModelChoice,
    settings: Settings,
    batch: BatchOptions,
    code: CodeOptions,
    dry: DryRunOptions,
    methods: str = METHODS,
    preset: Preset | None = None,
    match: Match = "calls",
    seeds: int = 1,
    reference: str | None = None,
) -> None:
    """Compare methods: accuracy, cost, and whether the difference is more than noise.

    Of records, or of methods that are run now on the same questions at the same budget: they share their first
    samples, and the same command with --out FOLDER goes on where it stopped.

    Args:
        sources: A benchmark or file to run methods on; or records, or folders of them.
        methods: Names with commas between them; NAME:n=8:k=2 spells a method's own settings out.
        preset: paper: N=16 K=4 T=10, 8192 tokens, voting over N x T. quick: N=4 K=2 T=3. Other options win.
        match: The budget of a question that the methods share with the first of them.
        seeds: Runs of each method: with --seed and those after it.
        reference: The method to set the others against (default: RSA, or that of the first record).
    """
    from rich.console import Console

    from selfagg.benchmarks.given import selected_set
    from selfagg.cli import stopping
    from selfagg.cli.code import prepare_code
    from selfagg.cli.dry_run import print_costs
    from selfagg.cli.opening import run_opened
    from selfagg.cli.options import preset_settings
    from selfagg.cli.records import out_folder
    from selfagg.cli.values import at_least_1
    from selfagg.errors import UsageError
    from selfagg.evaluation.compare import acompare, check_reference, records_among
    from selfagg.evaluation.contenders import contenders
    from selfagg.evaluation.estimate import matched_by_estimate
    from selfagg.evaluation.records import compare as compare_records

    at_least_1("--seeds", seeds)
    if records := records_among(sources):
        if dry.dry_run:
            raise UsageError("--dry-run says what a run would cost; these are records already")
        if method != MethodSettings() or methods != METHODS or preset or seeds > 1 or batch.out:
            raise UsageError("these are records: methods, sizes, --preset, --seeds and --out are for runs to come")
        _print(compare_records(records, reference=reference), {"where": ", ".join(sources)}, as_json=batch.as_json)
        return
    if len(sources) > 1:
        raise UsageError(f"compare takes records, or one source of questions; no record: {', '.join(sources)}")
    found = contenders(methods.split(","), method.given, preset)
    check_reference(reference, found)
    settings, asked = preset_settings(preset, settings, model.model), selected_set(sources[0], questions)
    if dry.dry_run:
        reply = dry.reply_tokens(settings)
        note = "Sizes that match tokens are measured on the first run; here they follow from the expected lengths."
        sized = matched_by_estimate(asked, found, match, reply)
        print_costs(sized, asked, reply, seeds=seeds, as_json=batch.as_json, note=note if match == "tokens" else "")
        return
    console = Console(stderr=True)
    prepare_code(code, asked.questions, console)
    with out_folder(batch.out, asked.name, "compare") as folder:
        given = {"questions": asked, "methods": methods.split(","), "sizes": method.given, "preset": preset}
        given |= {"match": match, "seeds": seeds, "reference": reference, "out": folder}
        work = run_opened(acompare, model, settings, method.schedule, console, **given)
        compared = stopping.run(work, folder)
    _print(compared, {"match": match, "where": str(folder)}, as_json=batch.as_json)
    stopping.check_complete(compared.missing, folder)


def _print(compared: Compared, more: dict[str, Any], *, as_json: bool) -> None:
    from selfagg.cli.comparison_table import comparison_table
    from selfagg.terminal import print_result

    print_result({**compared.to_dict(), **more}, comparison_table, as_json=as_json)
