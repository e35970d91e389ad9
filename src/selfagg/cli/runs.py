"""The commands that run methods: solve, eval, compare, sweep."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from selfagg._internal.arguments import check_amounts
from selfagg.analysis.missing import usage_json
from selfagg.api import Result, asolve
from selfagg.benchmarks.base import Selection
from selfagg.benchmarks.given import QuestionSet, selected_set
from selfagg.cli import work
from selfagg.cli.generate import command
from selfagg.cli.options import (
    CodeOptions,
    DryRunOptions,
    ExperimentOptions,
    MethodChoice,
    MethodOptions,
    ModelChoice,
    preset_settings,
)
from selfagg.cli.tables import comparison_table, costs_table, summary_table, sweep_table
from selfagg.errors import UsageError
from selfagg.evaluation.budget import COMPARED, ExpectedCosts, Lengths, Match, Preset, contenders, matched
from selfagg.evaluation.compare import acompare, check_reference, compare_records, records_among
from selfagg.evaluation.evaluate import aevaluate
from selfagg.evaluation.sweep import Grid, asweep
from selfagg.progress import ProgressBar, described_model
from selfagg.run.engine import Settings
from selfagg.terminal import harmless, one_line, print_result, say
from selfagg.types import Kind

T = TypeVar("T")


@command
def solve(
    question: str,
    *,
    method: MethodChoice,
    model: ModelChoice,
    settings: Settings,
    record: Path | None = None,
    as_json: bool = False,
    kind: Kind = "text",
    max_total_tokens: int | None = None,
    deadline: float | None = None,
) -> None:
    """Answer one question; the response goes to stdout, the rest to stderr.

    Args:
        question: The problem's text; - reads it from stdin.
        kind: The kind of the question: decides the wording and the reading of the final answer.
        max_total_tokens: Tokens, prompts included, after which the best answer at hand is taken.
        deadline: Seconds after which the best answer at hand is taken.
    """
    text = utf8("stdin", sys.stdin.buffer.read()) if question == "-" else utf8("QUESTION", question)
    if not text.strip():
        raise UsageError("the question is empty")
    chosen = method.build()
    asked = {"method": chosen, "kind": kind, "answer": getattr(chosen, "answer", None)}
    console = Console(stderr=True)
    bar = ProgressBar(console, sizes=asyncio.run(_sizes(text, method, settings, asked)))
    with work.kept_in(record, "solve", method.method) as path:
        given = {**asked, "question": text, "record": path, "callback": bar}
        given |= {"max_total_tokens": max_total_tokens, "deadline_s": deadline}
        result = work.run(work.run_opened(asolve, model, settings, method.schedule, console, **given), path)
    if as_json:
        print(json.dumps(result.to_dict(), ensure_ascii=False))
    else:
        _print(result, model.model, console, budget=max_total_tokens is not None)


async def _sizes(text: str, method: MethodChoice, settings: Settings, asked: Mapping[str, Any]) -> list[int]:
    """Return the number of members that the answer needs: no reply changes it, so no model is called."""
    plan = await asolve(text, model="simulated:", seed=settings.seed, schedule=method.schedule, **asked)
    # A rule to stop needs whole populations, as many as there may be; it may end the simulation and not the run.
    whole = [plan.method.size(t) for t in range(1, plan.method.t + 1)]
    return whole if plan.method.rule else [len(population) for population in plan.populations]


def _print(result: Result, model: str, console: Console, *, budget: bool) -> None:
    print(harmless(result.text) if sys.stdout.isatty() else result.text)
    missing, estimated = result.missing, budget and result.usage.unknown > 0
    failed = f", {missing.sentence()}" if missing.failed else ""
    lines = [
        *(["cut short  the budget or the deadline ended the work: this is the best answer at hand"] * result.cut_short),
        f"answer     {one_line(result.answer, 200) if result.answer is not None else '(none)'}",
        f"model      {described_model(model)}",
        f"calls      {result.calls:,}{failed}",
        *([f"copies     {result.copies:,}, without a call"] * bool(result.copies)),
        *([f"stopped    after population {result.member.t}: its members agree"] * result.stopped),
        f"tokens     {missing.tokens_words(usage_json(result.usage, missing.replies))}",
        *(["budget     the tokens that the server did not tell are estimated"] * estimated),
        f"record     {result.record}",
    ]
    say("\n".join(lines), console)


@command
def evaluate(
    source: str,
    *,
    questions: Selection,
    method: MethodChoice,
    model: ModelChoice,
    settings: Settings,
    record: Path | None = None,
    as_json: bool = False,
    code: CodeOptions,
    dry: DryRunOptions,
    ray: str | None = None,
    workers: int | None = None,
    shard: str | None = None,
    preset: Preset | None = None,
) -> None:
    """Evaluate a model on a benchmark or a file of questions.

    The record keeps every generation as soon as it is there: the same command with --record FILE goes on where a run
    stopped. With --ray the questions are split over the workers of a Ray cluster.

    Args:
        ray: Split the questions over Ray workers: local (here), auto or HOST:PORT (a cluster that runs).
        workers: Number of workers (default: one a machine, at least two; one a GPU if the model runs in the worker).
        shard: Only every Nth question, from the Ith on (I/N): one job of N, each with its own --record; then merge.
    """
    part = shard_named(shard)
    if workers is not None and ray is None:
        raise UsageError("--workers needs --ray ADDRESS (local: on this machine)")
    check_amounts(workers=workers)
    if ray is not None and shard is not None:
        raise UsageError("--shard does not go with --ray, which shares the questions out itself")
    if ray is not None and settings.scorer is not None:
        raise UsageError("--scorer does not go with --ray: workers score by the questions' kinds")
    chosen, settings = method.build(preset), preset_settings(preset, settings, model.model)
    asked = selected_set(source, questions)
    if dry.dry_run:
        _print_costs(ExpectedCosts.of(asked, [chosen], dry.reply_tokens(settings)), as_json=as_json)
        return
    console = Console(stderr=True)
    work.prepare_code(code, asked.questions, console, elsewhere=ray is not None)
    with work.kept_in(record, asked.name, chosen.name) as path:
        if ray is None:
            bar = ProgressBar(console, done_too=True)
            given = {"questions": asked, "method": chosen, "record": path, "callback": bar, "shard": part}
            running = work.run_opened(aevaluate, model, settings, method.schedule, console, **given)
            summary = work.run(running, path).summary
        else:
            from selfagg.cli.cluster import evaluate_on_ray

            how = (asked, chosen, method.schedule, settings, model, code, path, console)
            summary = work.run(evaluate_on_ray(ray, workers, *how), path)
    print_result(summary.as_json(), summary_table, as_json=as_json)
    if summary.calls and summary.failures - summary.skipped == summary.calls:
        raise work.Stopped(f"every call failed; the last: {summary.last_failure}", 1)
    work.check_complete(summary.missing, path)


@command
def compare(
    sources: list[str],
    *,
    options: ExperimentOptions,
    methods: str = ",".join(COMPARED),
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
        match: The budget of a question that the methods share with the first of them.
        seeds: Runs of each method: with --seed and those after it.
        reference: The method to set the others against (default: RSA, or that of the first record).
    """
    check_amounts(seeds=seeds)
    if records := records_among(sources):
        if options.dry.dry_run:
            raise UsageError("--dry-run says what a run would cost; these are records already")
        named = options.method != MethodOptions() or methods != ",".join(COMPARED)
        if named or preset or seeds > 1 or options.out:
            raise UsageError("these are records: methods, sizes, --preset, --seeds and --out are for runs to come")
        found = compare_records(records, reference=reference).to_dict()
        print_result({**found, "where": ", ".join(sources)}, comparison_table, as_json=options.as_json)
        return
    if len(sources) > 1:
        raise UsageError(f"compare takes records, or one source of questions; no record: {', '.join(sources)}")
    sizes = options.method.given
    rivals = contenders(methods.split(","), sizes, preset)
    check_reference(reference, rivals)
    options = replace(options, settings=preset_settings(preset, options.settings, options.model.model))
    asked = selected_set(sources[0], options.questions)
    if options.dry.dry_run:
        reply = options.dry.reply_tokens(options.settings)
        methods_at_budget = matched(rivals, match, Lengths.expected(asked.questions, reply))
        costs = ExpectedCosts.of(asked, methods_at_budget, reply, seeds)
        note = "Sizes that match tokens are measured on the first run; here they follow from the expected lengths."
        _print_costs(costs, note if match == "tokens" else "", as_json=options.as_json)
        return
    given = {"methods": methods.split(","), "sizes": sizes, "preset": preset, "match": match, "seeds": seeds}
    compared, folder = _run(acompare, options, asked, "compare", **given, reference=reference)
    told = {**compared.to_dict(), "match": match, "where": str(folder)}
    print_result(told, comparison_table, as_json=options.as_json)
    work.check_complete(compared.missing, folder)


@command
def sweep(
    source: str,
    *,
    options: ExperimentOptions,
    n: str = "4,8,16",
    k: str = "1,2,4",
    t: str = "1,2,3,5,10",
) -> None:
    """Run RSA over a grid of N, K and T.

    One run for each N and K, as long as the largest T: a smaller T is read from it, and a smaller N shares its first
    samples with a larger one. The same command with --out FOLDER goes on where it stopped.

    Args:
        n: Members of a population, with commas between them.
        k: Candidates that an aggregation sees, with commas between them.
        t: Populations, with commas between them.
    """
    sizes = {"n": numbers("--n", n), "k": numbers("--k", k), "t": numbers("--t", t)}
    grid = Grid.of(*sizes.values())
    rsa, asked = options.method.given, selected_set(source, options.questions)
    if options.dry.dry_run:
        costs = ExpectedCosts.of(asked, grid.methods(rsa), options.dry.reply_tokens(options.settings))
        _print_costs(costs, grid.left_out_words(), as_json=options.as_json)
        return
    found, folder = _run(asweep, options, asked, "sweep", **sizes, rsa=rsa)
    print_result(found.to_dict(), lambda told: sweep_table(told, grid), as_json=options.as_json)
    work.check_complete(found.missing, folder)


def _run(
    function: Callable[..., Awaitable[T]], options: ExperimentOptions, asked: QuestionSet, command: str, **given: Any
) -> tuple[T, Path]:
    """Run a function of the Python API that keeps its records in a folder; return its result and the folder."""
    console, schedule = Console(stderr=True), options.method.schedule
    work.prepare_code(options.code, asked.questions, console)
    with work.kept_in(options.out, asked.name, command, folder=True) as folder:
        given |= {"questions": asked, "out": folder}
        opened = work.run_opened(function, options.model, options.settings, schedule, console, **given)
        return work.run(opened, folder), folder


def _print_costs(costs: ExpectedCosts, note: str = "", *, as_json: bool) -> None:
    print_result(costs.to_dict(), lambda found: costs_table(found, note), as_json=as_json)


def shard_named(shard: str | None) -> tuple[int, int] | None:
    """Return the shard and the number of shards; raise UsageError if the text names none."""
    if shard is None:
        return None
    i, _, n = shard.partition("/")
    if not (i.isdecimal() and n.isdecimal() and 1 <= int(i) <= int(n)):
        raise UsageError(f"--shard {shard}: write I/N, I from 1 to N, such as 2/8")
    return int(i), int(n)


def utf8(name: str, given: str | bytes) -> str:
    """Return text in UTF-8, whatever encoding the system is set to."""
    content = given if isinstance(given, bytes) else os.fsencode(given)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8 text (byte {error.start + 1})") from None


def numbers(option: str, text: str) -> list[int]:
    """Return whole numbers from 1, with commas between them."""
    found = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and int(word) for word in found):
        raise UsageError(f"{option} {text!r}: it must be whole numbers from 1 with commas between them, as 4,8,16")
    return [int(word) for word in found]
