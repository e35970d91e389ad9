"""The experiment for one seed: base, candidates, trainings, measurements. What is done is not done again."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from examples.lab.arms import ARMS, Arm
from examples.lab.measure import AT_ONCE, SOURCE, read_candidates, run_rsa, run_vote, sampling
from examples.lab.settings import Size, setting_named
from examples.lab.supervised import K, school
from examples.lab.task import World, share_right

from selfagg._internal.files import write_whole
from selfagg.errors import UsageError
from selfagg.methods import RSA, Majority
from selfagg.record.configuration import differences
from selfagg.run.engine import Settings
from selfagg.training.data import DataPlan, make_set
from selfagg.training.problems import Problems
from selfagg.training.recipe import Recipe
from selfagg.training.rows import read_rows

if TYPE_CHECKING:
    from selfagg.models.transformers.checkpoints import Checkpoint

Told = Callable[[str], None]


@dataclass(frozen=True)
class Experiment:
    """One seed of one setting, in a folder of its own.

    Attributes:
        setting: Name of the setting.
        size: How large it is.
        seed: Decides the world, the model's first weights, and everything that is drawn.
        folder: Holds models, records and numbers; finished parts are taken from there.
        told: Told of the progress, a line at a time.
    """

    setting: str
    size: Size
    seed: int
    folder: Path
    told: Told

    @cached_property
    def world(self) -> World:
        """The world of this seed."""
        setting = setting_named(self.setting)
        return World(rules=setting.rules, steps=setting.steps, goals=setting.goals, seed=self.seed)

    def run(self) -> dict[str, Any]:
        """Runs what is missing.

        Returns:
            ``setting``, ``seed``, ``size``; ``base``: what its schooling came to; ``arms``: by name the numbers of
            `measure.run_rsa` and `measure.run_vote`, ``reading``; ``seconds`` of each part. Of a base that has not
            learnt enough there are no arms.
        """
        import torch

        torch.set_num_threads(1)
        self._begin()
        base = self._part("base", self._base)
        arms, seconds = {}, {"base": base["seconds"]}
        if base["able"]:
            seconds["candidates"] = self._part("candidates", self._candidates)["seconds"]
        for arm in ARMS if base["able"] else ():
            if arm.prompts is not None:
                trained = self._part(f"training-{arm.name}", partial(self._train, arm))
                seconds[f"training {arm.name}"] = trained["seconds"]
            arms[arm.name] = self._part(f"measured-{arm.name}", partial(self._measure, arm))
            seconds[f"measuring {arm.name}"] = arms[arm.name].pop("seconds")
        return {
            "setting": self.setting,
            "seed": self.seed,
            "size": asdict(self.size),
            "sequences": [len(rules) for rules in self.world.sequences],
            "base": base,
            "arms": arms,
            "seconds": seconds,
        }

    def _begin(self) -> None:
        """Writes down what is asked for, or refuses a folder in which something else was."""
        file, asked = self.folder / "settings.json", {"setting": self.setting, "seed": self.seed, **asdict(self.size)}
        self.folder.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            _write(file, asked)
        elif found := differences(json.loads(file.read_text("utf-8")), asked, "there"):
            raise UsageError(f"{self.folder} holds another experiment: {'; '.join(found)}; name a new folder")

    def _part(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The result of a part, from its file if it has been finished."""
        file = self.folder / f"{name}.json"
        if file.exists():
            finished: dict[str, Any] = json.loads(file.read_text("utf-8"))
            return finished
        self.told(name.replace("-", " "))
        started = time.monotonic()
        result = work()
        result["seconds"] = round(time.monotonic() - started, 1)
        _write(file, result)
        return result

    def _base(self) -> dict[str, Any]:
        from examples.lab.model import make_model, make_tokenizer

        from selfagg.models.transformers.checkpoints import save

        tokenizer = make_tokenizer(self.world)
        model = make_model(tokenizer, self.seed)
        habits = setting_named(self.setting).habits
        result = school(model, tokenizer, self.world, self.size.schooling, habits, self.seed, self.told)
        save(model, tokenizer, self._model("base"))
        return result

    def _candidates(self) -> dict[str, Any]:
        problems = self.world.problems(self.size.practised)
        questions = [self.world.question(problem) for problem in problems]
        recipe = Recipe(
            k=K, pool=self.size.pool, draws=self.size.draws, fraction=self.size.draws / (self.size.draws + 1)
        )
        plan = DataPlan(Problems(questions, [SOURCE] * len(questions), SOURCE), recipe, self._settings, "base")

        async def make() -> dict[str, Any]:
            from selfagg.models.transformers.model import HFModel

            base = self._load("base")
            async with HFModel(base.model, base.tokenizer, name="base", concurrency=AT_ONCE) as model:
                return await make_set(self.folder / "set", plan, model)

        facts = asyncio.run(make())
        return {"candidates": facts["candidates"]}

    def _train(self, arm: Arm) -> dict[str, Any]:
        from selfagg.training.rl import RLSettings, train

        rows = read_rows(self.folder / "set")
        plain, aggregation = ([row for row in rows if row.aggregation is shown] for shown in (False, True))
        chosen = arm.prompts(plain, aggregation) if arm.prompts else []
        base, setting = self._load("base"), setting_named(self.setting)
        settings = RLSettings(
            steps=setting.times * self.size.steps,
            prompts=self.size.prompts,
            learning_rate=setting.learning_rate,
            max_tokens=sampling(self.world).max_tokens or 0,
            micro_batch=4 * self.size.prompts,
            seed=self.seed,
        )
        run = train(
            base.model, base.tokenizer, chosen, settings, self.folder / arm.name, reward=right_goals, save_every=50
        )
        return {"steps": len(run.metrics.lines())}

    def _measure(self, arm: Arm) -> dict[str, Any]:
        checkpoint = self._load(arm.name)
        asked = self.world.problems(self.size.held_out, held_out=True)
        questions = [self.world.question(problem) for problem in asked]
        method = RSA(n=self.size.n, k=K, t=self.size.t)
        votes = Majority(n=method.n * method.t, t=1)
        rsa, vote = self.folder / f"rsa-{arm.name}.sqlite", self.folder / f"vote-{arm.name}.sqlite"

        async def runs() -> dict[str, Any]:
            result = await run_rsa(checkpoint, questions, self._settings, method, rsa)
            voted = await run_vote(checkpoint, questions, self._settings, votes, vote, rsa)
            return {**result, **voted}

        result = asyncio.run(runs())
        return {**result, "reading": read_candidates(checkpoint, self.world, asked, self.seed)}

    @property
    def _settings(self) -> Settings:
        return Settings(sampling(self.world), self.seed)

    def _model(self, name: str) -> Path:
        return self.folder / "base-model" if name == "base" else self.folder / name / "final"

    def _load(self, name: str) -> Checkpoint:
        from selfagg.models.transformers.checkpoints import load

        return replace(load(str(self._model(name)), device="cpu", dtype="float32"), name=name)


def right_goals(
    prompts: Any, completions: Sequence[Any], ids: Any, *, reward_model: Sequence[Mapping[str, Any]], **rest: Any
) -> list[float]:
    """Return for each response the share of goals whose walk is right: the reward, in TRL's form.

    Evaluations ask for all of them. At first no response has them, and such a reward would teach nothing.
    """
    asked = zip(completions, reward_model, strict=True)
    return [share_right(completion[-1]["content"], row["ground_truth"]) for completion, row in asked]


def _write(file: Path, value: Any) -> None:
    write_whole(file, json.dumps(value, indent=1) + "\n")
