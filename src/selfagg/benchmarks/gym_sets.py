"""The paper's two Reasoning Gym sets: Games (17 tasks) and Cognition with ARC (9 tasks).

The tasks' default settings are the paper's: the difficulty recorded in the authors' files is theirs. The
authors drew the task of each of their 100 questions at random; here the tasks take turns.
"""

from __future__ import annotations

from functools import partial

from selfagg.benchmarks.base import Benchmark, Selection
from selfagg.benchmarks.examples import choose
from selfagg.benchmarks.hub import data_files
from selfagg.benchmarks.reasoning_gym import load_tasks
from selfagg.benchmarks.rows import read_all, unique
from selfagg.benchmarks.verl import verl_question
from selfagg.errors import UsageError
from selfagg.types import Question

GAME_TASKS = (
    "boxnet",
    "countdown",
    "emoji_mystery",
    "futoshiki",
    "kakurasu",
    "knight_swap",
    "mahjong_puzzle",
    "maze",
    "mini_sudoku",
    "n_queens",
    "puzzle24",
    "rush_hour",
    "sokoban",
    "sudoku",
    "survo",
    "tower_of_hanoi",
    "tsumego",
)

COGNITION_TASKS = (
    "arc_1d",
    "arc_agi",
    "color_cube_rotation",
    "figlet_font",
    "modulo_grid",
    "needle_haystack",
    "number_sequence",
    "rectangle_count",
    "rubiks_cube",
)

_SIZE = 100


def _load(name: str, tasks: tuple[str, ...], selection: Selection) -> list[Question]:
    if selection.data is None:
        return load_tasks(",".join(tasks), selection, default=_SIZE)
    if selection.settings:
        raise UsageError(f"{name} from a file takes no settings: its questions are made already")
    rows = read_all(data_files(selection.data, name))
    loaded = partial(verl_question, name=name, benchmark="reasoning_gym", instruction_from=selection.instruction)
    questions = unique(list(map(loaded, rows)), rows)
    return choose(questions, selection, default=len(questions), source=name)


def _benchmark(name: str, title: str, tasks: tuple[str, ...]) -> Benchmark:
    return Benchmark(
        name=name,
        title=title,
        kind="reasoning_gym",
        size=_SIZE,
        load=partial(_load, name, tasks),
        note="Apache-2.0; Reasoning Gym, arXiv 2505.24760; generated unless --data names a file",
        settings=None,
    )


GAMES = _benchmark("rg-games", "Reasoning Gym Games", GAME_TASKS)
COGNITION = _benchmark("rg-cognition", "Reasoning Gym Cognition + ARC", COGNITION_TASKS)
