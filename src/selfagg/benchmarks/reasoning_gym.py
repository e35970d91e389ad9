"""Reasoning Gym tasks, generated on the spot (arXiv 2505.24760), and the paper's two sets of them.

The questions of a task are items 0, 1, 2... of the task's data set, whose seed is the data seed times
`SEED_STRIDE`: item i of a set comes from a generator seeded with "seed + i", so that neighbouring seeds would
give nearly the same questions. They are made in a process of their own (`selfagg.benchmarks.gym`).

The tasks' default settings are the paper's: the difficulty recorded in the authors' files is theirs. The authors drew
the task of each of their 100 questions at random; here the tasks of a set take turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from selfagg.benchmarks.base import Benchmark, Selection, choose, with_examples
from selfagg.benchmarks.data_files import data_files, questions_of, read_rows
from selfagg.errors import UsageError
from selfagg.scoring import workers
from selfagg.types import Question

DEFAULT_SIZE = 100
SEED_STRIDE = 1_000_000  # between the seeds of two data seeds; half of it between questions and worked examples

GAME_TASKS = (
    *("boxnet", "countdown", "emoji_mystery", "futoshiki", "kakurasu", "knight_swap", "mahjong_puzzle", "maze"),
    *("mini_sudoku", "n_queens", "puzzle24", "rush_hour", "sokoban", "sudoku", "survo", "tower_of_hanoi", "tsumego"),
)
COGNITION_TASKS = (
    *("arc_1d", "arc_agi", "color_cube_rotation", "figlet_font", "modulo_grid", "needle_haystack"),
    *("number_sequence", "rectangle_count", "rubiks_cube"),
)


def task_names() -> list[str]:
    """Return the names of all tasks that the installed library has, sorted."""
    names: list[str] = workers.call("selfagg.benchmarks.gym:task_names")
    return names


def load_tasks(names: str, selection: Selection) -> list[Question]:
    """Return questions of one or several tasks, spread evenly: a round over the tasks, then the next round.

    They are the same in every process, 100 if the selection does not say; worked examples are of a question's own task.

    Raises:
        UsageError: An unknown task or setting, a value that the task refuses, or a selection that a generated
            set cannot give.
    """
    size = DEFAULT_SIZE if selection.size is None else selection.size
    data_seed, seed = selection.data_seed, selection.data_seed * SEED_STRIDE
    if selection.data is not None:
        raise UsageError("reasoning_gym:TASK is generated and reads no --data; give the file itself as the source")
    if size == "all":
        raise UsageError("Reasoning Gym generates questions without end: give their number")
    if not 1 <= size <= SEED_STRIDE // 2:
        raise UsageError(f"the number of questions must be between 1 and {SEED_STRIDE // 2}, not {size}")
    if data_seed < 0:
        raise UsageError(f"the data seed cannot be negative ({data_seed})")
    given = names, dict(selection.settings), size, seed, selection.examples, seed + SEED_STRIDE // 2
    try:
        made = workers.call("selfagg.benchmarks.gym:make", *given)
    except workers.WorkerError as error:
        if error.error == UsageError.__name__:
            raise UsageError(error.message) from None
        raise
    by_task = []
    for task, (asked, shown) in made.items():
        # Two records pair their questions by id, so another seed's questions need other ids.
        prefix = task if data_seed == 0 else f"{task}-s{data_seed}"
        questions = [entry_question(f"{prefix}-{i}", task, entry) for i, entry in enumerate(asked)]
        worked = [entry_question(f"{task}-example-{i}", task, entry) for i, entry in enumerate(shown)]
        by_task.append(with_examples(questions, worked) if worked else questions)
    return [by_task[i % len(by_task)][i // len(by_task)] for i in range(size)]


def entry_question(question_id: str, task: str, entry: Mapping[str, Any]) -> Question:
    """Return the question that one entry of a task's data set makes; without a gold answer where many are right."""
    return Question(
        id=question_id,
        text=entry["question"],
        kind="reasoning_gym",
        gold=entry["answer"],
        data={"task": task, "entry": entry},
        group=task,
    )


def _load(name: str, tasks: tuple[str, ...], selection: Selection) -> list[Question]:
    from selfagg.benchmarks.file import verl_question

    if selection.data is None:
        return load_tasks(",".join(tasks), selection)
    if selection.settings:
        raise UsageError(f"{name} from a file takes no settings: its questions are made already")
    keep = selection.instruction == "file"
    rows = [row for path in data_files(selection.data, name) for row in read_rows(path)]
    questions = questions_of(rows, partial(verl_question, name=name, benchmark="reasoning_gym", keep_closing=keep))
    return choose(questions, selection, source=name)


GAMES, COGNITION = (
    Benchmark(
        name=name,
        title=title,
        kind="reasoning_gym",
        size=DEFAULT_SIZE,
        load=partial(_load, name, tasks),
        note="Apache-2.0; Reasoning Gym, arXiv 2505.24760; generated unless --data names a file",
        settings=None,
        paper="files",
    )
    for name, title, tasks in (
        ("rg-games", "Reasoning Gym Games", GAME_TASKS),
        ("rg-cognition", "Reasoning Gym Cognition + ARC", COGNITION_TASKS),
    )
)
