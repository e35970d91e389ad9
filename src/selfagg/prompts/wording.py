"""The words of the prompts, in our own wording after the paper's description (arXiv 2509.26626, appendix).

The problem stands before the candidates, so that all aggregations of a question begin alike and a server's prefix
cache can serve that part.
"""

from __future__ import annotations

from collections.abc import Sequence

from selfagg.types import Kind, Question

INSTRUCTIONS: dict[Kind, str] = {
    "math": "Reason step by step and put your final answer within \\boxed{}.",
    "choice": "Reason step by step and put the letter of the right option within \\boxed{}, for example \\boxed{A}.",
    "reasoning_gym": "Reason step by step and put your final answer between <answer> and </answer> tags.",
    "code": "Reason first, then write the whole program in one ```python code block.",
    "text": "",
}
"""How each kind of question asks for its final answer, where the question's own text does not say."""

_TEXT_WITH_GOLD = "Put your final answer between <answer> and </answer> tags."

_NOUNS: dict[Kind, tuple[str, str]] = {
    "math": ("math problem", "solution"),
    "choice": ("multiple-choice question", "solution"),
    "reasoning_gym": ("reasoning puzzle", "solution"),
    "code": ("programming problem", "program"),
    "text": ("question", "response"),
}


def instruction(question: Question) -> str:
    """The sentence that says how the final answer is to be written, or ``""``."""
    if question.instruction is not None:
        return question.instruction
    if question.kind == "text" and question.gold is not None:
        return _TEXT_WITH_GOLD
    return INSTRUCTIONS[question.kind]


def first_words(question: Question) -> str:
    """The first population's prompt: the question as its benchmark states it."""
    return _join(question.text, instruction(question))


def aggregation_words(question: Question, candidates: Sequence[str]) -> str:
    """An aggregation prompt over several candidates."""
    problem, noun = _NOUNS[question.kind]
    opening = (
        f"You are given a {problem} and {len(candidates)} candidate {noun}s. Some of the candidates may be wrong or "
        f"incomplete. Combine what is useful in them into one better {noun}. Where they disagree, reason carefully to "
        "find out which is right; if all of them are wrong, try another strategy."
    )
    shown = "\n\n".join(f"[Candidate {i}]\n{text}" for i, text in enumerate(candidates, 1))
    closing = f"Now write one single improved {noun}. {_last_words(question)}"
    return f"{opening}\n\nProblem:\n{first_words(question)}\n\nCandidates:\n\n{shown}\n\n{closing.strip()}"


def refinement_words(question: Question, candidate: str) -> str:
    """The prompt for one candidate alone: self-refinement, and aggregation with K = 1."""
    problem, noun = _NOUNS[question.kind]
    opening = (
        f"You are given a {problem} and a candidate {noun}, which may be wrong or incomplete. Check it carefully, keep "
        "what is right, mend what is wrong, and try another strategy if it leads nowhere."
    )
    closing = f"Now write one improved {noun}. {_last_words(question)}"
    return f"{opening}\n\nProblem:\n{first_words(question)}\n\nCandidate:\n{candidate}\n\n{closing.strip()}"


def verification_words(question: Question, candidate: str) -> str:
    """The prompt that asks whether a candidate is right."""
    problem, noun = _NOUNS[question.kind]
    return (
        f"Judge whether a candidate {noun} to a {problem} is correct.\n\nProblem:\n{question.text}\n\n"
        f"Candidate:\n{candidate}\n\nIs the candidate's final answer correct? Reply with one word, True or False."
    )


def grading_words(question: Question, candidate: str) -> str:
    """The prompt that asks for a candidate's grade."""
    problem, noun = _NOUNS[question.kind]
    return (
        f"Grade a candidate {noun} to a {problem}.\n\nProblem:\n{question.text}\n\nCandidate:\n{candidate}\n\n"
        "How good is it, from 0 (certainly wrong) to 10 (certainly right)? Reply with the number alone."
    )


def _last_words(question: Question) -> str:
    """The answer's format once more, at the very end, where models follow it best."""
    if question.kind == "text" and question.gold is None:
        return ""
    return instruction(question) or INSTRUCTIONS[question.kind] or _TEXT_WITH_GOLD


def _join(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)
