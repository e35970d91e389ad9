"""The lab's settings: one in which the paper's claim can hold, and two in which reason says that it cannot."""

from __future__ import annotations

from dataclasses import dataclass, field

from examples.lab.supervised import Habits, Schooling

from selfagg.errors import UsageError


@dataclass(frozen=True, slots=True)
class Setting:
    """What is varied between settings.

    Attributes:
        steps: Rules of a problem: 1 is a look-up, from 2 on it takes a search.
        rules: Rules of the world.
        goals: Goals of a problem.
        habits: What the base does with candidates.
        why: What is to be expected of it, and why.
        times: How many times the size's updates each reinforcement takes, and
        learning_rate: at which rate: such that standard RL learns something, and samples stay diverse.
    """

    steps: int
    rules: int
    goals: int
    habits: Habits
    why: str
    times: int = 1
    learning_rate: float = 2e-4


WEAK = Habits(look=0.3, follow=0.35)
STRONG = Habits(look=0.97, follow=0.02)

SETTINGS: dict[str, Setting] = {
    "claim": Setting(
        2,
        8,
        3,
        WEAK,
        "finding a start takes a search that the model cannot do before its first word, so a single shot has a goal "
        "or none; checking a candidate takes a glance, and the base hardly does it",
    ),
    "easy": Setting(
        1,
        3,
        1,
        WEAK,
        "with one rule the start can be looked up, so reinforcement on plain problems alone can bring a single shot "
        "to the top",
        times=2,
        learning_rate=5e-4,
    ),
    "strong-base": Setting(
        2,
        8,
        3,
        STRONG,
        "the base already takes the right candidate where there is one, so reinforcement has nothing to teach it "
        "about aggregating and can only do harm",
    ),
}


def setting_named(name: str) -> Setting:
    """The setting of this name."""
    if name not in SETTINGS:
        raise UsageError(f"there is no setting {name!r}; there are {', '.join(SETTINGS)}")
    return SETTINGS[name]


@dataclass(frozen=True, slots=True)
class Size:
    """How large an experiment is.

    Attributes:
        held_out: Problems of the evaluations, whose rules no training sees together (`World.sequences`).
        schooling: How the base is made.
        practised: Problems of the reinforcement.
        pool: Candidates of the base for each training problem, and
        draws: sets of four of them.
        steps: Updates of each reinforcement, where the setting takes no multiple of them.
        prompts: Prompts of an update, four rollouts each.
        n: Members of a population, and
        t: populations, of RSA with K = 4.
    """

    held_out: int = 100
    schooling: Schooling = field(default_factory=Schooling)
    practised: int = 480
    pool: int = 8
    draws: int = 8
    steps: int = 100
    prompts: int = 64
    n: int = 16
    t: int = 4


FULL = Size()
QUICK = Size(
    held_out=10,
    schooling=Schooling(reading=50, lessons=50, rounds=1, passed=0.0, batch=16, habit_steps=5),
    practised=10,
    pool=5,
    draws=2,
    steps=2,
    prompts=4,
    n=6,
    t=3,
)
"""Too small to show anything: for seeing that everything runs."""
