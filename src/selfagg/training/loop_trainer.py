"""TRL's GRPO trainer on whole RSA loops; what they are, and what is learned from them, is in `rollout`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from selfagg.models.transformers.model import HFModel
from selfagg.training.loop import LoopCall, Loops, Place, step_seed
from selfagg.training.reward import reply_of
from selfagg.training.rl_settings import RLSettings
from selfagg.training.rows import question_of
from selfagg.training.trainer import KeptGRPO
from selfagg.types import Message


class LoopGRPO(KeptGRPO):
    """GRPO whose rollouts are loops of N, K, T."""

    def __init__(self, *, settings: RLSettings, **kept: Any) -> None:
        """As `KeptGRPO`; the data set has each place N * T times in a row."""
        self._settings = settings
        self._written: dict[Place, LoopCall] = {}
        super().__init__(rollout_func=self._rollout, **kept)

    def _rollout(self, prompts: Sequence[Any], trainer: Any) -> dict[str, Any]:
        """TRL's rollout function: a prompt for each member of each loop."""
        asked = self._settings
        n, k, t = asked.end_to_end or (1, 1, 1)
        block = n * t * asked.rollouts
        questions = tuple(question_of(row) for row in self._sampled_rows[::block])
        seed = step_seed(asked.seed, self.state.global_step + 1)
        self._loops = Loops(questions, n, k, t, asked.rollouts, seed)
        counter = HFModel(self.accelerator.unwrap_model(self.model), self._tokenizer)
        self._written = self._loops.run(self._write, counter, asked.max_tokens)
        ordered = [self._written[place] for place in self._loops.places()]
        logprobs = [written.logprobs for written in ordered]
        return {
            "prompt_ids": [written.prompt_ids for written in ordered],
            "completion_ids": [written.completion_ids for written in ordered],
            "logprobs": None if None in logprobs else logprobs,
        }

    def _write(self, conversations: list[tuple[Message, ...]]) -> list[LoopCall]:
        prompt_ids: list[list[int]] = self._tokenize_prompts([[*map(dict, asked)] for asked in conversations])[0]
        ids, logprobs = self._generate_single_turn(prompt_ids, None, {}, 1)
        texts: list[str] = self._tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [
            LoopCall(reply_of(text, cut=written[-1] not in self._ends), asked, written, probabilities)
            for text, asked, written, probabilities in zip(
                texts, prompt_ids, ids, logprobs or [None] * len(ids), strict=True
            )
        ]

    def _credited(self, rewards: list[float | None]) -> list[float | None]:
        places = self._loops.places()
        own = dict(zip(places, rewards, strict=True))
        for rollout, (question, loop, t, i) in zip(self._rollouts, places, strict=True):
            rollout.t, rollout.i, rollout.aggregation = t, i, t > 1
            if t > 1:
                parents = self._written[question, loop, t, i].parents
                rollout.k = len(parents)
                rollout.c = sum((own[question, loop, t - 1, parent] or 0) >= 1 for parent in parents)
        return self._loops.credits(rewards)
