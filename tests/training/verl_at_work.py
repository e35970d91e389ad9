"""Run by test_verl.py in a Python that has verl: prints as JSON what verl's own code does with a run."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from verl import DataProto  # type: ignore[import-not-found,unused-ignore]
from verl.trainer.ppo.core_algos import agg_loss, get_adv_estimator_fn  # type: ignore[import-not-found,unused-ignore]
from verl.trainer.ppo.reward import load_reward_manager  # type: ignore[import-not-found,unused-ignore]
from verl.trainer.ppo.utils import create_rl_dataset  # type: ignore[import-not-found,unused-ignore]
from verl.utils import hf_tokenizer  # type: ignore[import-not-found,unused-ignore]

from selfagg.record.rows import question_body
from selfagg.training.reward import REWARDS, reply_of
from selfagg.training.verl_check import compose
from selfagg.types import Question


def main() -> None:
    """Prints one JSON object."""
    folder = Path(sys.argv[1])
    config = compose(folder)
    tokenizer = hf_tokenizer(config.actor_rollout_ref.model.path)
    rows = create_rl_dataset(config.data.train_files, config.data, tokenizer, None)
    manager = load_reward_manager(config, tokenizer)
    row = rows[3]
    broken = {**row, "extra_info": {**row["extra_info"], "question": "{}"}}
    given = asyncio.run(scored(manager, tokenizer, [(row, r"\boxed{6}"), (row, r"\boxed{7}"), (broken, "6")]))
    answers = asyncio.run(compared(json.loads(sys.argv[2])))
    print(json.dumps({**given, **learnt(config), "train_files": started(folder), "answers": answers}))


async def compared(answers: list[tuple[str, str]]) -> list[float | None]:
    """Rewards of answers to questions with these gold answers, once verl has loaded the run's reward function."""
    questions = [Question("q", "?", "math", gold=gold) for gold, _ in answers]
    replies = [reply_of(rf"\boxed{{{answer}}}") for _, answer in answers]
    info = [{"question": question_body(question)} for question in questions]
    return [(await REWARDS.reward(one, reply)).value for one, reply in zip(info, replies, strict=True)]


async def scored(manager: Any, tokenizer: Any, responses: list[tuple[dict[str, Any], str]]) -> dict[str, Any]:
    """Rewards of responses, each handed over in tokens as a rollout does it."""
    manager.loop = asyncio.get_running_loop()
    rewards: list[Any] = []
    extra: dict[str, float] = {}
    for row, text in responses:
        tokens = torch.tensor([tokenizer(text)["input_ids"]])
        fields = {name: np.array([row[name]], dtype=object) for name in ("data_source", "reward_model", "extra_info")}
        data = DataProto.from_single_dict({"responses": tokens, "attention_mask": torch.ones_like(tokens), **fields})
        try:
            result = await manager.run_single(data)
        except Exception as error:
            rewards.append(type(error).__name__)
        else:
            rewards.append(result["reward_score"])
            extra = extra or result["reward_extra_info"]
    return {"rewards": rewards, "extra": extra}


def learnt(config: Any) -> dict[str, Any]:
    """Advantages of two prompts (one of their responses lost) and the gradient of the loss at two tokens."""
    mask = torch.ones(6, 2)
    rewards = torch.zeros(6, 2)
    rewards[[0, 3], 1] = 1.0
    groups = np.array(["a", "a", "a", "b", "b", "c"], dtype=object)
    advantages, _ = get_adv_estimator_fn(config.algorithm.adv_estimator)(rewards, mask, groups)
    actor = config.actor_rollout_ref.actor
    log_probs = torch.zeros(6, 2, requires_grad=True)
    losses = -advantages * torch.exp(log_probs - log_probs.detach())
    scale = {"loss_agg_mode": actor.loss_agg_mode, "loss_scale_factor": actor.loss_scale_factor}
    agg_loss(losses, mask, **scale).backward()
    assert log_probs.grad is not None
    return {"advantages": advantages[:, 0].tolist(), "gradient": log_probs.grad[:2, 0].tolist()}


def started(folder: Path) -> str:
    """What ``run.sh`` has verl's own entry point compose."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [str(folder / "run.sh"), "--cfg", "job", "--resolve", "--package", "data"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"PATH": path})
    return next(line.partition(": ")[2] for line in done.stdout.splitlines() if line.startswith("train_files"))


if __name__ == "__main__":
    main()
