"""Holds a run that `selfagg.training.verl` wrote against the verl that is installed, by verl's own code.

Run as ``python -m selfagg.training.verl_check FOLDER`` by a Python that has verl; it needs no GPU. What it finds in
order is printed a line each; what is wrong ends it with one line on stderr and exit code 1.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from importlib import metadata
from pathlib import Path
from typing import Any

from selfagg.errors import SelfaggError, UsageError
from selfagg.training.verl import VERL

ANTLR = "4.13.2"
"""The version that selfagg's own dependencies name."""

_OWN = ("selfagg", "ray_kwargs.ray_init.runtime_env.env_vars")
"""Settings that are the run's own and not verl's to know."""


def main() -> None:
    """Checks the folder that the command line names."""
    out = sys.stdout
    with redirect_stdout(sys.stderr):  # verl has much to say
        try:
            for line in check(Path(sys.argv[1]).resolve()):
                print(line, file=out, flush=True)
        except (SelfaggError, ImportError) as error:
            sys.exit(f"\n{error}")


def check(folder: Path) -> Iterator[str]:
    """Composes the configuration, validates it, reads the data and scores a response, each as a run of verl does.

    Args:
        folder: The run.

    Yields:
        What was found in order, and what could not be looked at here.

    Raises:
        UsageError: What is wrong.
    """
    version = metadata.version("verl")
    yield f"verl {version}" + ("" if version == VERL else f" (the run is written for {VERL})")
    config = compose(folder)
    unknown = sorted(unknown_settings(config))
    if unknown:
        raise UsageError(f"verl {version} has no setting {unknown[0]}, which {folder / 'run.yaml'} sets")
    yield "its configuration composes, and has every setting that the run sets"
    validate(config)
    yield "its own validation accepts the configuration, and its typed configurations can be made of it"
    yield read_data(config)
    yield asyncio.run(score(config))
    yield asyncio.run(parser())


def compose(folder: Path, *, config_name: str = "run") -> Any:
    """The configuration as ``run.sh`` composes it."""
    from hydra import compose as hydra_compose  # type: ignore[import-not-found,unused-ignore]
    from hydra import initialize_config_dir
    from hydra.errors import HydraException  # type: ignore[import-not-found,unused-ignore]

    try:
        with initialize_config_dir(str(folder), version_base=None):
            return hydra_compose(config_name, overrides=[f"selfagg.folder={folder}"])
    except HydraException as error:
        raise UsageError(f"verl cannot compose {folder / config_name}.yaml: {error}") from None


def unknown_settings(config: Any) -> Iterator[str]:
    """Settings of a composed configuration that verl's own does not have."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_module
    from omegaconf import OmegaConf  # type: ignore[import-not-found,unused-ignore]

    with initialize_config_module("verl.trainer.config", version_base=None):
        own = set(_paths(OmegaConf.to_container(hydra_compose("ppo_trainer"))))
    for path in _paths(OmegaConf.to_container(config)):
        if path not in own and not path.startswith(_OWN):
            yield path


def _paths(settings: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, value in settings.items():
        yield above + name
        if isinstance(value, Mapping):
            yield from _paths(value, f"{above}{name}.")


def validate(config: Any) -> None:
    """What verl's entry point checks before it starts, and the typed configurations that its workers make."""
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException  # type: ignore[import-not-found,unused-ignore]
    from verl.trainer.ppo.core_algos import get_adv_estimator_fn  # type: ignore[import-not-found,unused-ignore]
    from verl.trainer.ppo.utils import need_critic, need_reference_policy  # type: ignore[import-not-found,unused-ignore]
    from verl.utils.config import omega_conf_to_dataclass, validate_config  # type: ignore[import-not-found,unused-ignore]

    try:
        OmegaConf.to_container(config, resolve=True)
        validate_config(config, need_reference_policy(config), need_critic(config))
        for part in (config.algorithm, config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout):
            omega_conf_to_dataclass(part)  # not the reward's: verl itself never makes that one, and cannot
        get_adv_estimator_fn(config.algorithm.adv_estimator)
    except (AssertionError, ValueError, TypeError, HydraException, OmegaConfBaseException) as error:
        raise UsageError(f"verl does not accept the configuration: {error}") from None


def read_data(config: Any) -> str:
    """Reads the training prompts with verl's own data set class and the model's own tokenizer, where it is at hand."""
    model = Path(config.actor_rollout_ref.model.path)
    if not model.is_dir():
        return f"not looked at: the prompts, since {model} is no folder here and so its tokenizer not at hand"
    from verl.trainer.ppo.utils import create_rl_dataset
    from verl.utils import hf_tokenizer  # type: ignore[import-not-found,unused-ignore]

    rows = create_rl_dataset(config.data.train_files, config.data, hf_tokenizer(str(model)), None)
    whole = len(_first_rows(config, count=None))
    if len(rows) < whole:
        return f"its data set class keeps {len(rows)} of {whole} training prompts: the others are too long"
    return f"its data set class reads all {whole} training prompts, none too long by the model's own tokenizer"


def _first_rows(config: Any, *, count: int | None) -> list[dict[str, Any]]:
    import pyarrow.parquet  # type: ignore[import-untyped,unused-ignore]

    table = pyarrow.parquet.read_table(config.data.train_files)
    rows: list[dict[str, Any]] = (table if count is None else table.slice(0, count)).to_pylist()
    return rows


async def score(config: Any) -> str:
    """Scores a response with the function that verl loads for this run."""
    from verl.trainer.ppo.reward import get_custom_reward_fn  # type: ignore[import-not-found,unused-ignore]

    from selfagg.record.rows import question_of
    from selfagg.scoring import stated

    reward = get_custom_reward_fn(config)
    row = _first_rows(config, count=1)[0]
    right = stated(question_of(row["extra_info"]["question"]))
    response = right or "no answer"
    result = await reward(
        data_source=row["data_source"],
        solution_str=response,
        ground_truth=row["reward_model"]["ground_truth"],
        extra_info=row["extra_info"],
    )
    told = "a response that states the first question's gold answer" if right else "a response without an answer"
    return f"its reward function, loaded by verl, gives {told} {result['score']:g}"


async def parser() -> str:
    """Which ANTLR the processes find that compare answers; see the run's reward.py."""
    from selfagg.scoring import workers

    version = await workers.run("importlib.metadata:version", "antlr4-python3-runtime", timeout_s=60)
    later = "" if version == ANTLR else f"; run.sh installs {ANTLR} for them before it starts"
    return f"its processes that compare answers find ANTLR {version}{later}"


if __name__ == "__main__":
    main()
