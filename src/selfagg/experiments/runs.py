"""Several runs on the same questions with one open model: the methods of a comparison, the grid of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from selfagg.engine.configuration import about, configuration
from selfagg.engine.engine import Engine, Settings, Watcher
from selfagg.engine.record import Record
from selfagg.engine.run import Schedule, evaluate
from selfagg.experiments.share import share_first_samples
from selfagg.methods.base import Method
from selfagg.models import Model
from selfagg.types import Question

Watching = Callable[[Method, int, Record], AbstractContextManager[Watcher]]
"""Opens a view of one run: its method, its seed and its record."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """What all runs have in common.

    Attributes:
        model: The open model.
        settings: How it is sampled; each run's seed takes the place of theirs.
        questions: The questions.
        source: Where these are from, for the records.
        folder: Where the records go, one file a run.
        schedule: As for `selfagg.engine.run.evaluate`.
        concurrency: Most calls at once.
        told: What each record tells of its making besides versions.
    """

    model: Model
    settings: Settings
    questions: Sequence[Question]
    source: str
    folder: Path
    schedule: Schedule = "free"
    concurrency: int | None = None
    told: Mapping[str, Any] = field(default_factory=dict)

    def path(self, method: Method, seed: int) -> Path:
        """The record of one run, named after all that tells it from the others."""
        sizes = "-".join(f"{key}{value}" for key, value in method.settings().items() if key != "name")
        return self.folder / f"{method.name}-{sizes.replace(':', '')}-seed{seed}.sqlite"

    async def run(
        self, method: Method, seed: int, shared: Sequence[Path] = (), watching: Watching | None = None
    ) -> Path:
        """Runs one method with one seed, or goes on with it.

        Args:
            method: The method.
            seed: Decides sets and samples.
            shared: Records whose first samples serve this run too, where it can use them.
            watching: Opens a view of the run.

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
            with watching(method, seed, record) if watching else nullcontext(Watcher()) as watcher:
                engine = Engine(self.model, settings, record, concurrency=self.concurrency, watcher=watcher)
                await evaluate(engine, method, self.questions, schedule=self.schedule)
        return path

    async def run_all(
        self, methods: Sequence[Method], seeds: Sequence[int], watching: Watching | None = None
    ) -> list[Path]:
        """Runs every method with every seed; of one seed, all draw their first samples from the largest of them.

        What an earlier session has sampled is drawn from too, so that a run which is larger than it goes on from it.
        """
        paths: dict[tuple[int, int], Path] = {}
        for seed in seeds:
            done = [path for method in methods if (path := self.path(method, seed)).is_file()]
            for place, method in sorted(enumerate(methods), key=lambda entry: -entry[1].size(1)):
                paths[place, seed] = await self.run(method, seed, done, watching)
                done.append(paths[place, seed])
        return [paths[place, seed] for place in range(len(methods)) for seed in seeds]
