"""Questions that a caller gives: a source's name, a file, or a list of questions, of dictionaries or of texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfagg._internal import extras
from selfagg.benchmarks import load_selected
from selfagg.benchmarks.base import Selection, Size
from selfagg.benchmarks.data_files import DataRow, unique
from selfagg.errors import UsageError
from selfagg.types import Question


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """The questions of a run, in their order."""

    questions: Sequence[Question]
    source: str  # the origin in words, for records
    name: str  # the source's name, for the names of files

    @property
    def count(self) -> str:
        """Return the number of questions, in words."""
        return "1 question" if len(self.questions) == 1 else f"{len(self.questions):,} questions"


Questions = str | Path | QuestionSet | Sequence[Question | Mapping[str, Any] | str]
"""A source's name, a file, or the questions themselves; a text alone is a question without a gold answer."""


def question_set(questions: Questions | object, *, size: Size = None) -> QuestionSet:
    """Return the questions that a caller gives, checked.

    A dictionary has the columns of a file (``question``, ``answer``, ``kind``, ``id``, ``options``, ...); ``text`` and
    ``gold`` stand for the first two. ``size`` None: the source's own default, or all of a list.

    Raises:
        UsageError: There is no question, one cannot be read, or two have one id.
    """
    if isinstance(questions, QuestionSet):
        return questions
    if isinstance(questions, str | Path):
        return selected_set(str(questions), Selection(size))
    if isinstance(questions, Mapping | Question | bytes) or not isinstance(questions, Iterable):
        raise UsageError(f"questions must be a source's name or a list of questions, not {type(questions).__name__}")
    found = unique((_question(item, place), f"question {place + 1}") for place, item in enumerate(questions))
    if size is not None and size != "all":
        if not 1 <= size <= len(found):
            raise UsageError(f"size is {size}, but {len(found)} questions are given")
        found = found[:size]
    if not found:
        raise UsageError("there is no question: the list is empty")
    return QuestionSet(found, f"{len(found)} given questions" if len(found) > 1 else "1 given question", "given")


def selected_set(source: str, selection: Selection) -> QuestionSet:
    """Return the questions of a source that a selection asks for, with their description."""
    extras.need("eval")  # statistics come at the end of a run, which should not be paid for in vain
    if not source:
        raise UsageError("the source of the questions is empty: name a benchmark, reasoning_gym:TASK or a file")
    questions, path = load_selected(source, selection), Path(source)
    local = not source.startswith("reasoning_gym:") and path.exists()
    count = f"{len(questions)} questions" if len(questions) > 1 else "1 question"
    parts = [path.name if local else source, count]
    if selection.data_seed:
        parts.append(f"data seed {selection.data_seed}")
    parts += [f"{key}={value}" for key, value in sorted(selection.settings.items())]
    if selection.examples:
        parts.append(f"{selection.examples} examples")
    if selection.instruction == "file":
        parts.append("the file's instruction")
    return QuestionSet(questions, ", ".join(parts), path.stem if local and path.is_file() else source)


def _question(item: object, place: int) -> Question:
    if isinstance(item, Question):
        return item
    where = f"question {place + 1}"
    if isinstance(item, str):
        return Question(f"question-{place + 1}", item)
    if not isinstance(item, Mapping):
        raise UsageError(f"{where}: it must be a Question, a dictionary or a text, not {type(item).__name__}")
    from selfagg.benchmarks.file import question_of_row

    columns = {str(key): value for key, value in item.items()}
    for ours, column in (("text", "question"), ("gold", "answer")):
        if ours in columns and column not in columns:
            columns[column] = columns.pop(ours)
    return question_of_row(DataRow(where, place, columns), name="question")
