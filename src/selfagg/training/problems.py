"""The problems of a training set: out of one source or several, and which of them are held out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import NamedTuple

from selfagg.benchmarks import benchmark_names
from selfagg.benchmarks.base import Selection, Size
from selfagg.benchmarks.given import selected_set
from selfagg.errors import UsageError
from selfagg.prompts import first
from selfagg.run.subsets import address_random
from selfagg.types import Question

_GYM = "reasoning_gym:"
_BY_DATA = ("reasoning_gym", "code")  # kinds that are scored by a question's data


@dataclass(frozen=True, slots=True)
class Problems:
    """The problems of a set, with unique ids; for each the name of its source, and for all their origin in words."""

    questions: Sequence[Question]
    origins: Sequence[str]
    source: str

    def __post_init__(self) -> None:
        ids = Counter(question.id for question in self.questions)
        if twice := [name for name, times in ids.items() if times > 1]:
            raise UsageError(f"two problems have the id {twice[0]!r}; ids must be unique over all sources")
        unscored = [one for one in self.questions if one.gold is None and not (one.data and one.kind in _BY_DATA)]
        if unscored:
            raise UsageError(
                f"{len(unscored):,} of {len(ids):,} problems have no right answer to give a reward by; "
                f"the first is {unscored[0].id}"
            )
        for question in self.questions:
            for message in first(question).messages(()):
                if set(message) - {"role", "content"} or not isinstance(message.get("content"), str):
                    raise UsageError(
                        f"problem {question.id} has a message that is more than a role and a text (an image, a call of "
                        "a tool), which a training set cannot hold"
                    )


def load_problems(sources: Sequence[str], selection: Selection, sizes: Sequence[Size] = (None,)) -> Problems:
    """Return the problems of all sources (benchmarks, ``reasoning_gym:TASK``, files), one source after the other.

    Of several sources, the selection's ``settings`` go to Reasoning Gym's and ``data`` to the benchmarks; ``sizes``
    has a number for each, or one for all.

    Raises:
        UsageError: There is no such source, it cannot give what is asked, or two give problems of one id.
    """
    if len(sizes) not in (1, len(sources)):
        listed = ",".join(map(str, sizes))
        raise UsageError(f"--size {listed}: {len(sizes)} numbers for {len(sources)} sources of problems")
    questions: list[Question] = []
    origins, told = [], []
    for source, size in zip(sources, cycle(sizes), strict=False):
        own, gym = replace(selection, size=size), source.startswith(_GYM)
        if len(sources) > 1:
            data = selection.data if source in benchmark_names() else None
            own = replace(own, data=data, settings=selection.settings if gym else {})
        found = selected_set(source, own)
        questions += found.questions
        # With the task, so that trainers tell tasks apart.
        origins += [f"{_GYM}{question.group}" if gym else found.name for question in found.questions]
        told.append(found.source)
    return Problems(questions, origins, "; ".join(told))


class Parts(NamedTuple):
    """Places of problems to train on and of those held out, and the number left out since one held out reads alike."""

    train: list[int]
    test: list[int]
    repeated: int


def split(problems: Sequence[Question], held_out: int, seed: int) -> Parts:
    """Hold problems out, drawn by the seed; drop problems with the text of one held out: small generated tasks repeat.

    Raises:
        UsageError: Nothing would be left to train on.
    """
    if held_out >= len(problems):
        raise UsageError(f"held_out = {held_out}, but there are {len(problems)} problems, and some must be left")
    test = sorted(address_random(seed, "training data", "held out").sample(range(len(problems)), held_out))
    texts = {problems[place].text for place in test}
    train = [place for place, problem in enumerate(problems) if problem.text not in texts]
    others = len(problems) - held_out
    if not train:
        raise UsageError(f"each of the {others} problems left to train on reads like one that is held out")
    return Parts(train, test, others - len(train))
