"""`compare` and `acompare`: methods side by side on the same questions, run now or recorded before."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from selfagg._internal.arguments import RunArguments, check_amounts, check_whole, check_words
from selfagg._internal.blocking import blocking
from selfagg.errors import UsageError
from selfagg.evaluation.compared import Compared
from selfagg.evaluation.contenders import Contender, Match, contenders, matched
from selfagg.evaluation.folder import folder_for
from selfagg.evaluation.presets import Preset, preset_sampling
from selfagg.evaluation.records import compare as compare_records
from selfagg.evaluation.records import is_record
from selfagg.types import Sampling

if TYPE_CHECKING:
    from selfagg.benchmarks.base import Size
    from selfagg.benchmarks.given import Questions
    from selfagg.evaluation.records import RecordPath
    from selfagg.evaluation.runs import Experiment
    from selfagg.methods import Method

METHODS = ("rsa", "majority", "self-refine")
"""The methods that are compared where none is named."""

_LOGGER = logging.getLogger("selfagg.experiments")


def compare(
    questions: Questions | RecordPath | Sequence[RecordPath],
    methods: Sequence[str | Method] | None = None,
    *,
    reference: str | None = None,
    **settings: Any,
) -> Compared:
    """Set methods side by side: accuracy, cost, and whether a difference is more than noise.

    Args:
        questions: Questions as `evaluate` takes them, to run the methods on. Or records of the same questions, or
            folders of records, which are only read.
        methods: The methods to run; see `acompare`. None for records.
        reference: The method to set the others against; None: RSA, or that of the first record.
        **settings: Further arguments of `acompare`, which is the same for asynchronous code.

    Raises:
        UsageError: A setting cannot work, a record cannot be read, or the records do not share their questions.
        RunStopped: The model is gone; what was finished is kept in ``out``.
    """
    if methods is None and (records := records_among(questions)):
        if settings:
            raise UsageError(f"these are records: {', '.join(settings)} is for runs to come")
        return compare_records(records, reference=reference)
    return blocking(lambda: acompare(questions, methods or METHODS, reference=reference, **settings))  # type: ignore[arg-type]


def records_among(given: object) -> list[RecordPath]:
    """Return the given values, if all of them are records or folders of records; else nothing.

    Raises:
        UsageError: Only some of several are.
    """
    paths = [given] if isinstance(given, str | Path) else given
    if not isinstance(paths, Sequence) or not paths or not all(isinstance(path, str | Path) for path in paths):
        return []
    others = [str(path) for path in paths if not is_record(Path(path)) and not (Path(path).is_dir() and path is given)]
    if others and len(others) < len(paths):
        raise UsageError(f"compare takes records, or one source of questions; no record: {', '.join(others)}")
    return [] if others else list(paths)


async def acompare(
    questions: Questions,
    methods: Sequence[str | Method] = METHODS,
    *,
    sizes: Mapping[str, Any] | None = None,
    preset: Preset | None = None,
    match: Match = "calls",
    seeds: int = 1,
    reference: str | None = None,
    size: Size = None,
    out: str | Path | None = None,
    **settings: Any,
) -> Compared:
    """Run methods on the same questions at the same budget, and set them side by side.

    The methods share their first samples, and the same call with the same ``out`` goes on where it stopped.

    Args:
        questions: A source, or the questions; see `selfagg.aevaluate`.
        methods: Names, ``NAME:n=8:k=2`` to spell settings out, or methods, which keep their own sizes. RSA is the
            reference if it is among them, else the first is.
        sizes: Settings for every method that is named and has them, as ``{"n": 8, "k": 2, "t": 3}``.
        preset: ``paper`` or ``quick``: sizes, and the paper's token limit, where nothing else is given.
        match: The budget of a question that the methods share with the reference: ``calls``, ``tokens`` or ``none``.
        seeds: Runs of each method: with the seed and those after it.
        reference: The method to set the others against; None: the reference of the budget.
        size: Number of questions to take.
        out: A folder that keeps the records; None: they are gone when this returns.
        **settings: Further arguments of `selfagg.aevaluate`: ``model``, ``sampling``, ``seed``, ``callback``, ...

    Raises:
        UsageError: A setting cannot work, or the model cannot be reached.
        RunStopped: The model is gone; what was finished is kept in ``out``.
    """
    check_words({"match": (match, get_args(Match))})
    check_whole(seeds=seeds)
    check_amounts(seeds=seeds)
    run = RunArguments(**settings)
    found = contenders([methods] if isinstance(methods, str) else methods, sizes, preset)
    check_reference(reference, found)
    asked = run.questions(questions, size)
    name = run.model if isinstance(run.model, str) else run.model.name
    sampling = preset_sampling(preset, run.sampling or Sampling(), name)
    with folder_for(out) as folder:
        async with run.opened() as model:
            from selfagg.evaluation.runs import Experiment

            experiment = Experiment.of(run, model, asked, folder, sampling)
            every_seed = range(run.seed, run.seed + seeds)
            paths = await experiment.run_all(await _at_budget(experiment, found, match), every_seed)
        compared = compare_records(paths, reference=reference)
        return compared if out is not None else compared.without_records()


def check_reference(reference: str | None, found: Sequence[Contender]) -> None:
    """Raise UsageError if the reference is not the name of exactly one of the methods."""
    names = [contender.method.name for contender in found]
    if reference is not None and names.count(reference) != 1:
        raise UsageError(f"--reference {reference!r} is not one of the methods to run: {', '.join(names)}")


async def _at_budget(experiment: Experiment, found: Sequence[Contender], match: Match) -> list[Method]:
    """Return the methods at one budget.

    How many tokens the reference takes, or calls where it stops or copies, its first run tells.
    """
    from selfagg.analysis.missing import Missing
    from selfagg.evaluation.budget import measured_calls, measured_lengths, measured_tokens
    from selfagg.record.record import Record

    if match == "none" or (match == "calls" and not found[0].method.compares):
        return matched(found, match)
    first = await experiment.run(found[0].method, experiment.settings.seed)
    with Record(first, read_only=True) as record:
        if match == "calls":
            return matched(found, match, calls=measured_calls(record))
        tokens, lengths = measured_tokens(record), measured_lengths(record)
        if words := dict(Missing.of(record).lines()).get("tokens"):
            _LOGGER.warning("tokens were %s; each is taken to be like the others", words)
    return matched(found, match, tokens, lengths)
