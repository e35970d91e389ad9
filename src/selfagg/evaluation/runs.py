"""Several runs on the same questions with one open model: the methods of a comparison, the grid of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from selfagg._internal.arguments import RunArguments
from selfagg.benchmarks.given import QuestionSet
from selfagg.evaluation.shared_samples import share_first_samples
from selfagg.methods.base import Method
from selfagg.models import Model
from selfagg.record.configuration import about, configuration
from selfagg.record.record import Record
from selfagg.run.engine import Callback, Engine, Settings
from selfagg.run.runner import Schedule, evaluate
from selfagg.types import Question, Sampling


@dataclass(frozen=True, slots=True)
class Experiment:
    """The settings that all runs of a comparison or a sweep share.

    Attributes:
        model: The open model.
        settings: The sampling; each run's seed takes the place of theirs.
        questions: The questions.
        source: The origin of the questions, for the records.
        folder: Folder for the records, one file a run.
        schedule: As for `selfagg.run.runner.evaluate`.
        concurrency: Most calls at once.
        told: Facts that each record notes besides versions.
        callback: Told of each run as it begins, goes on and ends.
    """

    model: Model
    settings: Settings
    questions: Sequence[Question]
    source: str
    folder: Path
    schedule: Schedule = "free"
    concurrency: int | None = None
    told: Mapping[str, Any] = field(default_factory=dict)
    callback: Callback | None = None

    @classmethod
    def of(
        cls, run: RunArguments, model: Model, asked: QuestionSet, folder: Path, sampling: Sampling | None = None
    ) -> Experiment:
        """Return the experiment that a caller's arguments describe.

        Args:
            run: The arguments.
            model: The open model.
            asked: The questions.
            folder: Folder for the records.
            sampling: The sampling of members, in place of the arguments' sampling.
        """
        settings = run.settings()
        return cls(
            model,
            replace(settings, sampling=sampling or settings.sampling),
            asked.questions,
            asked.source,
            folder,
            run.schedule,
            run.concurrency,
            run.about or {},
            run.callback,
        )

    def path(self, method: Method, seed: int) -> Path:
        """Return the record of one run, named after all that tells it from the others."""
        sizes = "-".join(f"{key}{value}" for key, value in method.settings().items() if key != "name")
        return self.folder / f"{method.name}-{sizes.replace(':', '')}-seed{seed}.sqlite"

    async def run(self, method: Method, seed: int, shared: Sequence[Path] = ()) -> Path:
        """Run one method with one seed, or go on with it.

        Args:
            method: The method.
            seed: Decides sets and samples.
            shared: Records whose first samples serve this run too, where it can use them.

        Returns:
            The run's record.
        """
        path, settings = self.path(method, seed), replace(self.settings, seed=seed)
        with Record(path) as record:
            record.begin(
                configuration(method, self.model.name, settings, self.source),
                self.questions,
                about(context=self.model.context, **self.told),
            )
            for other in shared:
                if other != path:
                    with Record(other, read_only=True) as source:
                        share_first_samples(source, record, method)
            engine = Engine(self.model, settings, record, concurrency=self.concurrency, callback=self.callback)
            await evaluate(engine, method, self.questions, schedule=self.schedule)
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
