"""Questions: the benchmarks by name, Reasoning Gym generated on the spot, and a user's own file.

A new benchmark is one new file with a `Benchmark` in it, and one line in `BENCHMARKS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name
from types import MappingProxyType

from selfagg import registry
from selfagg._internal.arguments import suggest
from selfagg.benchmarks.base import Benchmark, HubSource, InstructionFrom, Selection, Size
from selfagg.benchmarks.hub import paper_data
from selfagg.errors import UsageError
from selfagg.types import Question

__all__ = [
    "BENCHMARKS",
    "Benchmark",
    "HubSource",
    "Selection",
    "Size",
    "benchmark",
    "benchmark_names",
    "load_questions",
]

BENCHMARKS: Mapping[str, str] = MappingProxyType(
    {
        "aime25": "selfagg.benchmarks.matharena:AIME25",
        "hmmt25": "selfagg.benchmarks.matharena:HMMT25",
        "rg-games": "selfagg.benchmarks.reasoning_gym:GAMES",
        "rg-cognition": "selfagg.benchmarks.reasoning_gym:COGNITION",
        "supergpqa": "selfagg.benchmarks.supergpqa:BENCHMARK",
        "livecodebench": "selfagg.benchmarks.livecodebench:RELEASE_V6",
        "livecodebench-v6-new": "selfagg.benchmarks.livecodebench:NEW_IN_V6",
        "humaneval": "selfagg.benchmarks.humaneval:BENCHMARK",
        "deepscaler": "selfagg.benchmarks.deepscaler:BENCHMARK",
        "paper-training": "selfagg.benchmarks.paper_training:BENCHMARK",
        "rows": "selfagg.benchmarks.sign_rows:BENCHMARK",
    }
)
"""Every benchmark by name, as ``module:object``; a module is imported when its benchmark is asked for."""

_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


def benchmark(name: str) -> Benchmark:
    """Return the benchmark of this name.

    Raises:
        UsageError: There is none; the message names the near ones.
    """
    if name in BENCHMARKS:
        own = resolve_name(BENCHMARKS[name])
        assert isinstance(own, Benchmark)  # noqa: S101 - a wrong line in the table above
        return own
    if found := registry.load("benchmarks", name, Benchmark):
        return found
    from selfagg.benchmarks.reasoning_gym import task_names

    if name in task_names():
        raise UsageError(f"{name} is a Reasoning Gym task: ask for reasoning_gym:{name}")
    raise UsageError(f"there is no benchmark {name!r}; {suggest(name, benchmark_names())}")


def benchmark_names() -> list[str]:
    """Return the names of our own benchmarks, then those that packages register as ``selfagg.benchmarks``."""
    return list(dict.fromkeys([*BENCHMARKS, *registry.registered("benchmarks")]))


def load_questions(
    source: str,
    *,
    size: Size = None,
    data: Path | None = None,
    data_seed: int = 0,
    settings: Mapping[str, str] = _NO_SETTINGS,
    examples: int = 0,
    instruction: InstructionFrom = "own",
) -> list[Question]:
    """Return the questions that a user asks for, always the same ones in the same order.

    Args:
        source: A benchmark's name, ``reasoning_gym:TASK[,TASK...]``, or the path of a file or folder.
        size: Number of questions; ``"all"``: as many as there are; None: the benchmark's own default.
        data: What a benchmark is read from instead of the hub; ``Path("paper")``: the files of the paper's authors.
        data_seed: Seed of what is generated.
        settings: Settings of a generated task, as typed (``{"min_terms": "4"}``).
        examples: Worked examples to set before each question.
        instruction: The source of the sentence that asks for the answer's form; see `Selection`.

    Raises:
        UsageError: There is no such source, or it cannot give what is asked.
    """
    return load_selected(source, Selection(size, data, data_seed, settings, examples, instruction))


def load_selected(source: str, selection: Selection) -> list[Question]:
    """Return the questions of a source that a selection asks for; see `load_questions`."""
    if selection.examples < 0:
        raise UsageError(f"the number of worked examples cannot be negative ({selection.examples})")
    if source.startswith("reasoning_gym:"):
        from selfagg.benchmarks import reasoning_gym

        questions = reasoning_gym.load_tasks(source.removeprefix("reasoning_gym:"), selection)
    elif source not in benchmark_names() and ({"/", "\\", "."} & {*source} or Path(source).exists()):
        from selfagg.benchmarks import file

        _check_settings(source, selection, known=())
        questions = file.load_file(Path(source), selection)
    else:
        found = benchmark(source)
        if found.settings is not None:
            _check_settings(source, selection, known=found.settings)
        if selection.examples and found.kind == "code":
            raise UsageError(f"{source} asks for programs, for which there are no worked examples")
        questions = found.load(replace(selection, data=paper_data(found, selection.data)))
    for question in questions if selection.instruction == "file" else ():
        if question.instruction is None:
            raise UsageError(f"{source}: question {question.id} comes without an instruction that could be kept")
    return questions


def _check_settings(source: str, selection: Selection, *, known: tuple[str, ...]) -> None:
    for name in selection.settings:
        if name not in known:
            takes = f"no setting {name!r}; {suggest(name, known)}" if known else f"no settings (got {name!r})"
            raise UsageError(f"{source} takes {takes}")
