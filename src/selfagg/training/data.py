"""Make a training set: sample candidates into a record, and build prompts by the code that inference uses.

A set is a folder: the record of the candidates (an ordinary one, of majority voting), ``train.parquet``, with held out
problems ``test.parquet``, a card (``README.md``) and the same facts as JSON, which are written last.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from selfagg._internal.files import sha256, write_whole
from selfagg.errors import UsageError
from selfagg.evaluation.runs import COMPARABLE, share_first_samples
from selfagg.methods import Majority
from selfagg.models import Model
from selfagg.record.configuration import about, configuration
from selfagg.record.record import Record
from selfagg.run.engine import Callback, Engine, Settings
from selfagg.run.runner import INCOMPLETE, evaluate
from selfagg.training.assembly import PromptAssembly
from selfagg.training.card import card, described_pool
from selfagg.training.recipe import Recipe, Split, split
from selfagg.training.rows import rows_file, write_rows
from selfagg.types import Question

CANDIDATES, FACTS, CARD = "candidates.sqlite", "data.json", "README.md"
NO_MODEL = "none"
"""The model's name in the record of a set for which none was asked."""

Watching = Callable[[int], Callback]
"""A function that returns the callback of a round of sampling, for the number of problems sampled by its end."""


@dataclass(frozen=True, slots=True)
class Problems:
    """The problems of a set.

    Attributes:
        questions: In their order, ids unique.
        origins: For each the name of its source.
        source: The problems' origin, in words.
    """

    questions: Sequence[Question]
    origins: Sequence[str]
    source: str

    def __post_init__(self) -> None:
        ids = [question.id for question in self.questions]
        if len(set(ids)) < len(ids):
            twice = next(name for name in ids if ids.count(name) > 1)
            raise UsageError(f"two problems have the id {twice!r}; ids must be unique over all sources")
        unknown = [question.id for question in self.questions if not _scorable(question)]
        if unknown:
            raise UsageError(
                f"{len(unknown):,} of {len(ids):,} problems have no right answer to give a reward by; "
                f"the first is {unknown[0]}"
            )


@dataclass(frozen=True, slots=True)
class DataPlan:
    """All that decides what a set holds.

    Attributes:
        problems: The problems.
        recipe: The recipe of the set.
        settings: The sampling of candidates; the seed decides all draws, and what of a candidate is shown is shown.
        model: The name of the model.
        told: Facts that the record notes besides versions.
    """

    problems: Problems
    recipe: Recipe
    settings: Settings
    model: str = NO_MODEL
    told: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _ = self.parts  # raises where nothing would be left to train on

    @property
    def parts(self) -> Split:
        """Return the problems of the training split and of the test split."""
        return split(self.problems.questions, self.recipe.held_out, self.settings.seed)

    @property
    def method(self) -> Majority:
        """Return the method that samples the candidates."""
        return Majority(n=self.recipe.pool, t=1)

    @property
    def configuration(self) -> dict[str, Any]:
        """Return the settings that a rerun is compared by."""
        recorded = configuration(self.method, self.model, self.settings, self.problems.source)
        return recorded | {"training_set": asdict(self.recipe)}


def finished_set(folder: Path, plan: DataPlan) -> dict[str, Any] | None:
    """Return the facts of the set in the folder, or None if the set is unfinished or a file is missing or changed.

    Raises:
        UsageError: It is another set; says what differs. Or the folder holds something else.
    """
    check_folder(folder)
    if not (folder / CANDIDATES).exists():
        return None
    with Record(folder / CANDIDATES) as record:
        record.begin(plan.configuration, plan.problems.questions)
        incomplete = record.query(INCOMPLETE)
    try:
        facts: dict[str, Any] = json.loads((folder / FACTS).read_text("utf-8"))
        whole = all(sha256(folder / name) == digest for name, digest in facts["files"].items())
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return facts if whole and not incomplete else None


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds something else than a training set.

    Raises:
        UsageError: It does, or it is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file, and a training set is a folder")
    if (folder / CANDIDATES).exists() or not folder.exists():
        return
    if found := sorted(path.name for path in folder.iterdir()):
        raise UsageError(f"{folder} holds something else than a training set ({found[0]}): name a new folder")


async def make_set(
    folder: Path,
    plan: DataPlan,
    model: Model | None = None,
    *,
    concurrency: int | None = None,
    reused: Path | None = None,
    watching: Watching | None = None,
) -> dict[str, Any]:
    """Make the set or go on with an unfinished one; sample nothing again that is recorded.

    Args:
        folder: The folder; a new one, or one that holds an unfinished set of this plan.
        plan: The plan; its model is the name of ``model``.
        model: The open model; None where nothing is sampled and no prompt is held to a bound (fraction 0).
        concurrency: Most calls at once.
        reused: A record whose first samples for the same problems serve here too.
        watching: Gives the callback of the next round, for so many problems sampled by its end.

    Returns:
        The facts, as ``data.json`` has them.

    Raises:
        UsageError: The folder holds something else, problems or settings cannot work, or no prompt is left.
        RunStopped: The model is gone; what was sampled is kept.
    """
    check_folder(folder)
    questions, recipe = plan.problems.questions, plan.recipe
    with Record(folder / CANDIDATES) as record:
        told = about(context=model.context if model else None, **plan.told)
        record.begin(plan.configuration, questions, told)
        assembly = PromptAssembly(record, questions, plan.problems.origins, recipe, plan.settings, model)
        await assembly.measure(plan.parts)
        assembly.check_share()
        if recipe.fraction > 0 and model is not None:
            if reused is not None:
                _share(reused, record, plan.method)
            asked = 0
            for places in assembly.rounds():
                asked += len(places)
                callback = watching(asked) if watching else None
                engine = Engine(model, plan.settings, record, concurrency=concurrency, callback=callback)
                await evaluate(engine, plan.method, questions, only=places)
                await assembly.draw(places)
        train, test = assembly.mixed(), assembly.held_out()
        try:
            write_rows(folder, "train", assembly.rows("train", train))
            if test:
                write_rows(folder, "test", assembly.rows("test", test))
            files = {
                path.name: sha256(path)
                for path in (rows_file(folder, "train"), rows_file(folder, "test"))
                if path.is_file()
            }
            facts = {
                "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "settings": record.configuration,
                "about": record.about,
                **assembly.facts(train, test),
                "candidates": described_pool(record, recipe) if recipe.fraction > 0 else None,
                "files": files,
            }
            write_whole(folder / CARD, card(facts))
            write_whole(folder / FACTS, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
        except OSError as error:
            raise UsageError(f"cannot write the training set {folder}: {error.strerror or error}") from None
    return facts


def _scorable(question: Question) -> bool:
    return question.gold is not None or (question.kind in ("reasoning_gym", "code") and bool(question.data))


def _share(path: Path, record: Record, method: Majority) -> None:
    with Record(path, read_only=True) as source:
        bodies = "SELECT position, body FROM questions ORDER BY position"
        if source.query(bodies) != record.query(bodies):
            raise UsageError(f"record {path} is of other problems, so its candidates cannot serve here")
        theirs, ours = source.configuration, record.configuration
        if differing := [key for key in COMPARABLE if theirs.get(key) != ours.get(key)]:
            raise UsageError(f"record {path} differs in {', '.join(differing)}, so its candidates cannot serve here")
        share_first_samples(source, record, method)
