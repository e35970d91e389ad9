"""`compare` and `acompare`: methods side by side on the same questions, run now or recorded before."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack, get_args

from selfagg._internal.arguments import check_amounts, check_whole, check_words
from selfagg._internal.blocking import synchronous
from selfagg._internal.extras import extras_named
from selfagg.analysis.comparison import Compared, comparison
from selfagg.analysis.missing import Missing
from selfagg.api import RunSettings, checked, checked_questions, opened_model, settings_named
from selfagg.benchmarks.base import Size
from selfagg.benchmarks.given import Questions
from selfagg.errors import UsageError
from selfagg.evaluation.budget import (
    COMPARED,
    Contender,
    Lengths,
    Match,
    Preset,
    contenders,
    matched,
    measured_calls_and_tokens,
    preset_sampling,
)
from selfagg.evaluation.record_files import RecordPath, is_record, opened_record, records_of
from selfagg.evaluation.runs import Experiment, folder_for
from selfagg.methods import Method
from selfagg.record.record import Record
from selfagg.types import Sampling

_LOGGER = logging.getLogger(__name__)


def compare_records(records: RecordPath | Sequence[RecordPath], *, reference: str | None = None) -> Compared:
    """Set the methods of several records of the same questions side by side; see `acompare`."""
    with ExitStack() as stack:
        stack.enter_context(extras_named())
        opened = [stack.enter_context(opened_record(path)) for path in records_of(records)]
        return comparison(opened, reference=reference)


def records_among(given: object) -> list[RecordPath]:
    """Return the given values if all are records or folders of records, else nothing; UsageError for a mixture."""
    paths = [given] if isinstance(given, str | Path) else given
    if not isinstance(paths, Sequence) or not paths or not all(isinstance(path, str | Path) for path in paths):
        return []
    others = [str(path) for path in paths if not is_record(Path(path)) and not (Path(path).is_dir() and path is given)]
    if others and len(others) < len(paths):
        raise UsageError(f"compare takes records, or one source of questions; no record: {', '.join(others)}")
    return [] if others else list(paths)


@settings_named(RunSettings)
async def acompare(
    questions: Questions | RecordPath | Sequence[RecordPath],
    methods: str | Sequence[str | Method] | None = None,
    *,
    sizes: Mapping[str, Any] | None = None,
    preset: Preset | None = None,
    match: Match = "calls",
    seeds: int = 1,
    reference: str | None = None,
    size: Size = None,
    out: str | Path | None = None,
    **settings: Unpack[RunSettings],
) -> Compared:
    """Set methods side by side: accuracy, cost, and whether a difference is more than noise.

    Methods that are run now share their budget and their first samples, and the same call with the same ``out`` goes
    on where it stopped.

    Args:
        questions: A source, or the questions, to run the methods on; see `selfagg.aevaluate`. Or records of the same
            questions, or folders of records, which are only read.
        methods: Names, ``NAME:n=8:k=2`` to spell settings out, or methods, which keep their own sizes. RSA is the
            reference if it is among them, else the first is. None: RSA, a vote and self-refine.
        sizes: Settings for every method that is named and has them, as ``{"n": 8, "k": 2, "t": 3}``.
        preset: ``paper`` or ``quick``: sizes, and the paper's token limit, where nothing else is given.
        match: The budget of a question that the methods share with the reference: ``calls``, ``tokens`` or ``none``.
        seeds: Runs of each method: with the seed and those after it.
        reference: The method to set the others against; None: the reference of the budget, or the first record's.
        size: Number of questions to take.
        out: A folder that keeps the records; None: they are gone when this returns.
        **settings: See `RunSettings`.

    Raises:
        UsageError: A setting cannot work, the model cannot be reached, a record cannot be read, or the records do not
            share their questions.
        RunStopped: The model is gone; what was finished is kept in ``out``.
    """
    if methods is None and (records := records_among(questions)):
        more = {"sizes": sizes, "preset": preset, "size": size, "out": out}
        named = [*settings, *(name for name, value in more.items() if value is not None), *["seeds"] * (seeds != 1)]
        if named:
            raise UsageError(f"these are records: {', '.join(named)} is for runs to come")
        return compare_records(records, reference=reference)
    check_words({"match": (match, get_args(Match))})
    check_whole(seeds=seeds)
    check_amounts(seeds=seeds)
    run = checked(settings)
    found = contenders([methods] if isinstance(methods, str) else methods or COMPARED, sizes, preset)
    check_reference(reference, found)
    asked = checked_questions(run, questions, size)  # type: ignore[arg-type]
    name = run["model"] if isinstance(run["model"], str) else run["model"].name
    run["sampling"] = preset_sampling(preset, run.get("sampling") or Sampling(), name)
    with folder_for(out) as folder:
        async with opened_model(run) as model:
            experiment = Experiment(model, asked, run, folder)
            every_seed = range(run["seed"], run["seed"] + seeds)
            paths = await experiment.run_all(await _at_budget(experiment, found, match), every_seed)
        compared = compare_records(paths, reference=reference)
    return compared if out is not None else replace(compared, records=[None] * len(paths))


def check_reference(reference: str | None, found: Sequence[Contender]) -> None:
    """Raise UsageError if the reference is not the name of exactly one of the methods."""
    names = [contender.method.name for contender in found]
    if reference is not None and names.count(reference) != 1:
        raise UsageError(f"--reference {reference!r} is not one of the methods to run: {', '.join(names)}")


async def _at_budget(experiment: Experiment, found: Sequence[Contender], match: Match) -> list[Method]:
    """Return the methods at one budget: a first run tells the reference's tokens, or calls where it stops or copies."""
    reference = found[0].method
    if match == "none" or (match == "calls" and not reference.compares):
        return matched(found, match)
    with Record(await experiment.run(reference, experiment.settings["seed"]), read_only=True) as record:
        calls, tokens = measured_calls_and_tokens(record)
        if match == "calls":
            return matched(found, match, budget=calls)
        if words := dict(Missing.of(record).lines()).get("tokens"):
            _LOGGER.warning("tokens were %s; each is taken to be like the others", words)
        return matched(found, match, Lengths.measured(record), budget=tokens)


compare = synchronous(acompare)
