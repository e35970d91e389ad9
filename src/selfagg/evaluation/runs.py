"""Several runs on the same questions with one open model: the methods of a comparison, the grid of a sweep."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from selfagg.api import MethodSettings, engine_settings
from selfagg.benchmarks.given import QuestionSet
from selfagg.errors import UsageError
from selfagg.methods.base import Method
from selfagg.models import Model
from selfagg.record.configuration import about, configuration
from selfagg.record.record import Record
from selfagg.run.engine import Engine
from selfagg.run.runner import evaluate

COMPARABLE = ("model", "sampling", "seed", "source", "wording")
"""The settings that must be equal for a first sample of one run to be a first sample of another."""


async def run_method(
    method: Method,
    model: Model,
    asked: QuestionSet,
    run: MethodSettings,
    record: Record,
    *,
    shared: Sequence[Path] = (),
    only: Collection[int] | None = None,
) -> None:
    """Compute and score every member of a method on all questions, or on those positions only, or go on with that.

    The settings ``run`` are checked. Records in ``shared`` give this run their first samples, where it can use them.
    """
    settings = engine_settings(run)
    known = about(context=model.context, **(run.get("about") or {}))
    record.begin(configuration(method, model.name, settings, asked.source), asked.questions, known)
    for path in shared:
        with Record(path, read_only=True) as source:
            share_first_samples(source, record, method)
    engine = Engine(model, settings, record, concurrency=run.get("concurrency"), callback=run.get("callback"))
    await evaluate(engine, method, asked.questions, schedule=run["schedule"], only=only)


def share_first_samples(source: Record, target: Record, method: Method) -> int:
    """Copy the first samples that ``method`` needs from one record into another that has begun; return their number.

    A first sample's seed and prompt do not depend on the method, so a copied one is the very one that the target's
    run would ask for. It counts among the target's calls and tokens like any other. None is copied where the runs are
    not comparable, or where a vote may end before it needs them all.
    """
    theirs, ours = source.configuration, target.configuration
    if method.vote_rule or any(theirs.get(key) != ours.get(key) for key in COMPARABLE):
        return 0
    return target.copy_from(
        source, where="t = 1 AND i < ? AND role = 'candidate' AND error IS NULL", values=(method.n,)
    )


@dataclass(frozen=True, slots=True)
class Experiment:
    """Runs of several methods on the same questions with one open model, each kept in one file of a folder."""

    model: Model
    asked: QuestionSet
    settings: MethodSettings
    folder: Path

    def path(self, method: Method, seed: int) -> Path:
        """Return the record of one run, named after all that tells it from the others."""
        sizes = "-".join(f"{key}{value}" for key, value in method.settings().items() if key != "name")
        return self.folder / f"{method.name}-{sizes.replace(':', '')}-seed{seed}.sqlite"

    async def run(self, method: Method, seed: int, shared: Sequence[Path] = ()) -> Path:
        """Run one method with one seed, or go on with it; return its record."""
        path = self.path(method, seed)
        others = [other for other in shared if other != path]
        with Record(path) as record:
            settings = MethodSettings(**{**self.settings, "seed": seed})
            await run_method(method, self.model, self.asked, settings, record, shared=others)
        return path

    async def run_all(self, methods: Sequence[Method], seeds: Sequence[int]) -> list[Path]:
        """Run every method with every seed; of one seed, all draw their first samples from the largest of them.

        What an earlier session has sampled is drawn from too, so that a run which is larger than it goes on from it.
        """
        paths: dict[tuple[int, int], Path] = {}
        for seed in seeds:
            done = [path for method in methods if (path := self.path(method, seed)).is_file()]
            for place, method in sorted(enumerate(methods), key=lambda entry: -entry[1].size(1)):
                paths[place, seed] = await self.run(method, seed, done)
                done.append(paths[place, seed])
        return [paths[place, seed] for place in range(len(methods)) for seed in seeds]


@contextmanager
def folder_for(out: str | Path | None) -> Iterator[Path]:
    """Give the folder for the records, made if it is not there; None: one that is gone after the block."""
    if out is None:
        with TemporaryDirectory(prefix="selfagg-") as folder:
            yield Path(folder)
        return
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {out}: {error.strerror or error}") from None
    yield Path(out)
