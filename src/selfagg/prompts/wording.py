"""The words of the prompts, in our own wording after the paper's description (arXiv 2509.26626, appendix).

The problem stands before the candidates, so that all aggregations of a question begin alike and a server's prefix
cache can serve that part.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from string import Formatter

from selfagg._internal.arguments import suggest
from selfagg.errors import UsageError
from selfagg.types import Kind, Question

INSTRUCTIONS: dict[Kind, str] = {
    "math": "Reason step by step and put your final answer within \\boxed{}.",
    "choice": "Reason step by step and put the letter of the right option within \\boxed{}, for example \\boxed{A}.",
    "reasoning_gym": "Reason step by step and put your final answer between <answer> and </answer> tags.",
    "code": "Reason first, then write the whole program in one ```python code block.",
    "text": "",
}
"""The sentences that ask for the final answer of each kind, where the question's own text does not."""

_TEXT_WITH_GOLD = "Put your final answer between <answer> and </answer> tags."

_NOUNS: dict[Kind, tuple[str, str]] = {
    "math": ("math problem", "solution"),
    "choice": ("multiple-choice question", "solution"),
    "reasoning_gym": ("reasoning puzzle", "solution"),
    "code": ("programming problem", "program"),
    "text": ("question", "response"),
}

_AGGREGATE = (
    "You are given a {task} and {count} candidate {noun}s. Some of the candidates may be wrong or "
    "incomplete. Combine what is useful in them into one better {noun}. Where they disagree, reason carefully to "
    "find out which is right; if all of them are wrong, try another strategy.\n\n"
    "Problem:\n{problem}\n\nCandidates:\n\n{candidates}\n\nNow write one single improved {noun}. {reminder}"
)
_REFINE = (
    "You are given a {task} and a candidate {noun}, which may be wrong or incomplete. Check it carefully, keep "
    "what is right, mend what is wrong, and try another strategy if it leads nowhere.\n\n"
    "Problem:\n{problem}\n\nCandidate:\n{candidate}\n\nNow write one improved {noun}. {reminder}"
)
_VERIFY = (
    "Judge whether a candidate {noun} to a {task} is correct.\n\nProblem:\n{question}\n\n"
    "Candidate:\n{candidate}\n\nIs the candidate's final answer correct? Reply with one word, True or False."
)
_GRADE = (
    "Grade a candidate {noun} to a {task}.\n\nProblem:\n{question}\n\nCandidate:\n{candidate}\n\n"
    "How good is it, from 0 (certainly wrong) to 10 (certainly right)? Reply with the number alone."
)
_CANDIDATE = "[Candidate {number}]\n{candidate}\n\n"

_FIELDS = {"task", "noun", "problem", "question", "instruction", "reminder"}
_KNOWN = {
    "first": _FIELDS,
    "aggregate": _FIELDS | {"count", "candidates"},
    **dict.fromkeys(("refine", "verify", "grade"), _FIELDS | {"candidate"}),
    "candidate": {"number", "candidate"},
}

Template = str | Mapping[str, str]
"""A template for all kinds of questions, or one for each kind; kinds without one get ours."""


@dataclass(frozen=True)
class Wording:
    """The words of all prompts, as templates in the form of `str.format`.

    Every template knows ``{question}`` (the question's text), ``{instruction}`` (how the answer is to be written),
    ``{problem}`` (both), ``{reminder}`` (the instruction for the end of a long prompt), ``{task}`` ("math problem") and
    ``{noun}`` ("solution").

    Attributes:
        name: The name that a record keeps, with a fingerprint of the templates.
        first: The prompt of the first population.
        aggregate: The prompt over several candidates; knows ``{candidates}`` and ``{count}``.
        refine: The prompt for one candidate alone; knows ``{candidate}``.
        verify: The prompt that asks whether a ``{candidate}`` is right, True or False.
        grade: The prompt that asks for the grade of a ``{candidate}``, from 0 to 10.
        candidate: One of several candidates, as ``{candidates}`` lists them one behind the other; knows ``{number}``
            (from 1) and ``{candidate}``. Line breaks behind the last one are left off.

    Raises:
        UsageError: A template names a field that it does not know, a kind that there is not, or shows no candidate (the
            first: no question).
    """

    name: str = "selfagg"
    first: Template = "{problem}"
    aggregate: Template = _AGGREGATE
    refine: Template = _REFINE
    verify: Template = _VERIFY
    grade: Template = _GRADE
    candidate: Template = _CANDIDATE

    def __post_init__(self) -> None:
        for which, known in _KNOWN.items():
            given: Template = getattr(self, which)
            for kind, template in given.items() if isinstance(given, Mapping) else [(None, given)]:
                where = f"wording {self.name}, {which}"
                if kind is not None and kind not in INSTRUCTIONS:
                    raise UsageError(f"{where}: there is no kind {kind!r}; {suggest(kind, INSTRUCTIONS)}")
                _check_template(where, template, known)

    @classmethod
    def read(cls, path: str | Path) -> Wording:
        """Return the wording of a TOML file whose keys are this class's attributes.

        Raises:
            UsageError: The file cannot be read, or holds another key or a wrong template.
        """
        try:
            found = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot read the wording {path}: {getattr(error, 'strerror', None) or error}") from None
        known = [field.name for field in fields(cls)]
        for key in found:
            if key not in known:
                raise UsageError(f"the wording {path} has no key {key!r}; {suggest(key, known)}")
        return cls(**{"name": Path(path).stem, **found})

    @property
    def told(self) -> dict[str, str] | None:
        """Return name and fingerprint for a record; None for our own words."""
        if self == Wording():
            return None
        templates = asdict(self)
        if self.candidate == _CANDIDATE:
            del templates["candidate"]  # so that records made before there was this template can be continued
        text = json.dumps([type(self).__qualname__, templates], sort_keys=True)
        return {"name": self.name, "fingerprint": hashlib.sha256(text.encode()).hexdigest()[:16]}

    def words(self, which: str, question: Question, candidates: Sequence[str] = ()) -> str:
        """Return the user's turn by a template: ``first``, ``aggregate`` (for one candidate ``refine``), ..."""
        task, noun = _NOUNS[question.kind]
        asked = instruction(question)
        # The answer's format once more, for the very end, where models follow it best.
        free = question.kind == "text" and question.gold is None
        reminder = "" if free else asked or INSTRUCTIONS[question.kind] or _TEXT_WITH_GOLD
        if which == "aggregate" and len(candidates) == 1:
            which = "refine"
        one = self._template("candidate", question)
        listed = "".join(one.format(number=number, candidate=text) for number, text in enumerate(candidates, 1))
        written = self._template(which, question).format(
            task=task,
            noun=noun,
            problem="\n\n".join(part for part in (question.text, asked) if part),
            question=question.text,
            instruction=asked,
            reminder=reminder,
            count=len(candidates),
            candidates=listed.rstrip("\r\n"),
            candidate=candidates[0] if candidates else "",
        )
        return written.rstrip() if which in ("aggregate", "refine") else written

    def _template(self, which: str, question: Question) -> str:
        template: Template = getattr(self, which)
        return template if isinstance(template, str) else template.get(question.kind, getattr(Wording, which))


def instruction(question: Question) -> str:
    """Return the sentence that says how the final answer is to be written, or ``""``."""
    if question.instruction is not None:
        return question.instruction
    if question.kind == "text" and question.gold is not None:
        return _TEXT_WITH_GOLD
    return INSTRUCTIONS[question.kind]


def _check_template(where: str, template: object, known: set[str]) -> None:
    if not isinstance(template, str):
        raise UsageError(f"{where}: the template must be text, not {type(template).__name__}")
    try:
        parts = [part for part in Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise UsageError(f"{where}: {error} (write {{{{ and }}}} for braces)") from None
    if any(spec or conversion for _, _, spec, conversion in parts):
        raise UsageError(f"{where}: a field is a name alone, as in {{question}} (write {{{{ and }}}} for braces)")
    named = {name for _, name, _, _ in parts if name is not None}
    if unknown := sorted(named - known):
        raise UsageError(f"{where}: there is no field {{{unknown[0]}}}; there are {', '.join(sorted(known))}")
    wanted = known & {"candidate", "candidates"} or {"question", "problem"}
    if not named & wanted:
        raise UsageError(f"{where}: the template shows none of {', '.join(f'{{{name}}}' for name in sorted(wanted))}")
