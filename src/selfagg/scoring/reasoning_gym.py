"""Reasoning Gym: the last ``<answer>``, scored by the task's own ``score_answer``, partial credit kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from selfagg.errors import UsageError
from selfagg.scoring import workers
from selfagg.scoring.base import Verdict, first_equal
from selfagg.scoring.extract import last_answer_tag, unwrapped
from selfagg.types import Question

TIMEOUT_S = 10.0
"""Seconds of processor time that a task's scorer may take for one answer."""


class ReasoningGymScorer:
    """A scorer in worker processes, since some tasks' scorers loop or evaluate what they are given."""

    def answer(self, question: Question, text: str) -> str | None:
        answer = last_answer_tag(text)  # the last, where the authors' scripts take the first
        return answer and unwrapped(answer)

    async def score(self, question: Question, text: str) -> Verdict:
        """Return the task's score; 0.0 with a note where its scorer raises for this answer.

        No score, but a note, where the scorer takes too long, dies, or raises for the gold answer too. A response
        without an answer scores 0.0, also where the task would give an empty answer 0.01. A puzzle of one's own has
        no task to score it.

        Raises:
            UsageError: The question's Reasoning Gym entry is broken, or this version does not know its task.
        """
        answer = self.answer(question, text)
        if not question.data:
            return Verdict(answer)
        task, entry = question.data.get("task"), question.data.get("entry")
        if not isinstance(task, str) or not isinstance(entry, Mapping):
            raise UsageError(f"question {question.id}: its data lacks the Reasoning Gym task and entry to score with")
        if answer is None:
            return Verdict(None, 0.0)
        try:
            check = "selfagg.scoring.gym_check:score"
            return Verdict(answer, await workers.run(check, task, entry, answer, timeout_s=TIMEOUT_S))
        except TimeoutError:
            return Verdict(answer, None, f"the scorer of {task} took over {TIMEOUT_S:g} s of processor time")
        except workers.WorkerError as error:
            if error.error == "UnknownTask":
                known = f"this version of reasoning_gym has no task named {task}"
                raise UsageError(f"question {question.id}: {known}") from None
            score = None if error.blameless or error.error == "BrokenEntry" else 0.0
            return Verdict(answer, score, f"the scorer of {task} failed ({error.error or 'it died'})")

    async def same(self, question: Question, answers: Sequence[str]) -> list[int]:
        # By text, white space collapsed: puzzle answers are not formulas, whatever they look like.
        return first_equal([" ".join(answer.split()) for answer in answers])
