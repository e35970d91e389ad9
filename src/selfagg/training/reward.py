"""The reward of a response: 1 where it is verified right, else 0 (arXiv 2509.26626, section 5).

One implementation for TRL (`trl_reward`), verl (`compute_score`) and verifiers (``examples/verifiers``). It scores as
an evaluation does: with the same scorers, without the reasoning section, a cut reply as a cut reply, and with full
score only counting as right.

Some responses cannot be scored at all: a sandbox that fails, a row without its question, a check that never comes
back. They get no reward rather than 0, with a note that says why, and the run goes on: a 0 would teach the model
something about a response that nobody has checked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selfagg.errors import SelfaggError, UsageError
from selfagg.models.reasoning import split_reasoning
from selfagg.record.rows import question_body, question_of
from selfagg.scoring import gold_response
from selfagg.scoring.base import Verdict
from selfagg.scoring.reply import score_reply
from selfagg.types import Question, Reply, Stop

_logger = logging.getLogger(__name__)


class Unscorable(SelfaggError):
    """A response could not be scored. verl drops it from its group and goes on."""


@dataclass(frozen=True, slots=True)
class Reward:
    """The reward of one response: 1.0 verified right, 0.0 not, None: it could not be scored, as ``note`` says."""

    value: float | None
    note: str = ""


class Rewards:
    """A reward function. It never raises for one response, and never waits for ever.

    Args:
        stalled_s: Seconds without a score from any check that runs, after which those still running are given up. Each
            check has a shorter limit of its own (`selfagg.scoring`), so this ends only what got past it; but of a
            thousand responses the last may have to wait longer than that for its turn.
    """

    def __init__(self, stalled_s: float = 900.0) -> None:
        self._stalled_s = stalled_s
        self._finished = 0

    async def reward(self, info: Mapping[str, Any] | None, reply: Reply) -> Reward:
        """Score one reply, its reasoning split off; ``info`` is ``extra_info`` of the row that was answered."""
        try:
            question = question_of((info or {})["question"])
        except (KeyError, TypeError, ValueError) as error:
            return Reward(None, f"the row holds no question to score with ({type(error).__name__}: {error})")
        try:
            verdict = await self._unless_stalled(question, reply)
        except Exception as error:  # whatever it is, it must not end a training run
            said = str(error).removeprefix(f"question {question.id}: ")
            return Reward(None, f"question {question.id}: {said or type(error).__name__}")
        if verdict.score is None:
            return Reward(None, f"question {question.id}: {verdict.note or 'it has no gold answer'}")
        return Reward(float(verdict.score >= 1.0), verdict.note)

    async def _unless_stalled(self, question: Question, reply: Reply) -> Verdict:
        check = asyncio.ensure_future(score_reply(question, reply))
        try:
            while True:
                finished = self._finished
                await asyncio.wait({check}, timeout=self._stalled_s)
                if check.done():
                    self._finished += 1
                    return check.result()
                if finished == self._finished:
                    raise TimeoutError(f"no check came to an end for {self._stalled_s:g} s")
        finally:
            check.cancel()


REWARDS = Rewards()
"""Those of this process: its checks wait for the same worker processes, so they stall together or not at all."""


def reply_of(completion: str | Sequence[Mapping[str, Any]], *, cut: bool = False) -> Reply:
    """Return a completion (the text, or messages of which the last is it) as the reply that an evaluation would get.

    ``cut`` says that it ended because it reached its length limit.
    """
    message = {"content": completion} if isinstance(completion, str) else completion[-1]
    text, reasoning = message.get("content") or "", message.get("reasoning_content") or ""
    if not reasoning:
        reasoning, text = split_reasoning(text)
    return Reply(text, reasoning, Stop.LENGTH if cut else Stop.FINISHED)


async def trl_reward(
    prompts: Sequence[Any],
    completions: Sequence[str | Sequence[Mapping[str, Any]]],
    completion_ids: Sequence[Sequence[int]],
    *,
    extra_info: Sequence[Mapping[str, Any]],
    max_tokens: int | None = None,
    end_ids: Collection[int] = (),
    log_metric: Callable[[str, float], None] | None = None,
    log_extra: Callable[[str, list[Any]], None] | None = None,
    **columns: Any,
) -> list[float | None]:
    """Compute the rewards of completions, as a reward function of TRL's trainers.

    Logs the share of responses without a reward as ``reward/unscorable``, and each response's note beside its text
    where completions are logged.

    Args:
        prompts: Not looked at, as ``columns``: the question is in ``extra_info``.
        completions: Texts, or messages.
        completion_ids: Their tokens.
        extra_info: The column of that name, a row for each completion.
        max_tokens: The trainer's ``max_completion_length``, and
        end_ids: the tokens that end a reply. With both, a reply that was cut is scored as a cut one. Give them with
            ``functools.partial``.
        log_metric: The trainer's, as the next.
        log_extra: Takes the notes.
        **columns: What else the trainer hands over.

    Returns:
        A reward for each completion; None where it could not be scored: TRL leaves it out of its group's baseline.
    """
    cut = [len(ids) == max_tokens and ids[-1] not in end_ids for ids in completion_ids]
    replies = [reply_of(text, cut=was_cut) for text, was_cut in zip(completions, cut, strict=True)]
    given = await asyncio.gather(*map(REWARDS.reward, extra_info, replies))
    unscorable = [reward.note for reward in given if reward.value is None]
    if unscorable:
        told = "%d of %d responses could not be scored; the first: %s"
        _logger.warning(told, len(unscorable), len(given), unscorable[0])
    if log_metric is not None:
        log_metric("reward/unscorable", len(unscorable) / max(len(given), 1))
    if log_extra is not None:
        log_extra("note", [reward.note for reward in given])
    return [reward.value for reward in given]


async def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> dict[str, float]:
    """Score one response for verl, whose ``reward.custom_reward_function`` names this function.

    verl does not tell whether a response was cut at its length limit, so one to a question of kind ``text`` that
    was cut before any ``</answer>`` is read as if it were whole; with every other kind that changes nothing.

    Args:
        data_source: Not looked at, as ``ground_truth``: the question in ``extra_info`` has all that scoring needs.
        solution_str: The response, reasoning included.
        ground_truth: Not looked at.
        extra_info: The row's column of that name.
        **kwargs: Further arguments that verl may hand over.

    Returns:
        ``score``: 1.0 verified right, else 0.0; and of the prompt, for verl's validation metrics: ``aggregation``
        (1.0 where candidates were shown), ``k``, ``c``.

    Raises:
        Unscorable: The response could not be scored; the text says why.
    """
    info = extra_info or {}
    reward = await REWARDS.reward(info, reply_of(solution_str))
    if reward.value is None:
        raise Unscorable(f"this response gets no reward: {reward.note}")
    return {"score": reward.value, **{name: float(info.get(name, 0)) for name in ("aggregation", "k", "c")}}


async def try_scoring(questions: Iterable[Question]) -> None:
    """Score a response to one question of each kind and task, to find before a run those that cannot be scored.

    Raises:
        UsageError: Responses to such questions cannot be scored here (no sandbox, no gold answer, an unknown task).
    """
    first = {(question.kind, question.data.get("task")): question for question in reversed([*questions])}
    for question in first.values():
        any_answer = "```python\npass\n```" if question.kind == "code" else r"<answer>0</answer> \boxed{0}"
        reward = await REWARDS.reward(
            {"question": question_body(question)}, Reply(gold_response(question) or any_answer)
        )
        if reward.value is None:
            raise UsageError(f"responses cannot be scored here: {reward.note}")
