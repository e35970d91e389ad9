import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from examples.end_to_end import Loops, descended, loop_settings, loop_trainer, step_seed
from hypothesis import given
from hypothesis import strategies as st

from selfagg.run.subsets import Set
from selfagg.training.rl import train
from selfagg.training.rows import TrainingRow, question_of
from selfagg.training.run_folder import read_rollouts
from selfagg.types import Question

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ASKED = tuple(Question(f"q{place}", "what ?", gold="1") for place in range(2))


@given(st.integers(1, 4), st.integers(2, 4), st.integers(0, 99), st.data())
def test_who_descends_from_whom(n: int, t: int, seed: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, n))
    sets = Loops(ASKED, n, k, t, 2, seed).sets(0)
    result = descended(sets, n, t)

    def ancestors(population: int, place: int) -> set[tuple[int, int]]:
        parents: Set = sets[population][place] if population > 1 else ()
        return {(population, place)}.union(*(ancestors(population - 1, parent) for parent in parents))

    for population, place in itertools.product(range(1, t + 1), range(n)):
        expected = {last for last in range(n) if (population, place) in ancestors(t, last)}
        assert result[population, place] == expected


def test_a_members_worth_is_what_descends_from_it() -> None:
    loops = Loops(ASKED[:1], 3, 2, 2, 2, seed=7)
    sets = loops.sets(0)[2]
    own = {place: float(sum(place) % 2) for place in loops.places()}
    worth = dict(zip(loops.places(), loops.credits([own[place] for place in loops.places()]), strict=True))
    for loop, i in itertools.product(range(2), range(3)):
        assert worth[0, loop, 2, i] == own[0, loop, 2, i]
        assert worth[0, loop, 1, i] == sum(own[0, loop, 2, j] for j, parents in enumerate(sets) if i in parents)


def test_a_descendant_that_could_not_be_scored_leaves_no_worth() -> None:
    loops = Loops(ASKED[:1], 2, 2, 2, 2, seed=7)
    rewards: list[float | None] = [None if place == (0, 1, 2, 0) else 1.0 for place in loops.places()]
    worth = dict(zip(loops.places(), loops.credits(rewards), strict=True))
    assert worth[0, 1, 1, 0] is None
    assert worth[0, 1, 1, 1] is None
    assert worth[0, 1, 2, 1] == 1.0
    assert worth[0, 0, 1, 0] == 2.0


def test_the_same_member_of_all_loops_is_one_group_and_sets_change_with_the_step() -> None:
    loops = Loops(ASKED, 3, 2, 3, 4, seed=step_seed(1, 1))
    groups = [loops.places()[start : start + 4] for start in range(0, len(loops.places()), 4)]
    assert all(len({(question, t, i) for question, _, t, i in group}) == 1 for group in groups)
    assert all([loop for _, loop, _, _ in group] == [0, 1, 2, 3] for group in groups)
    assert Loops(ASKED, 9, 4, 3, 4, step_seed(1, 1)).sets(0) != Loops(ASKED, 9, 4, 3, 4, step_seed(1, 2)).sets(0)


def test_a_whole_loop_is_a_rollout(
    tmp_path: Path,
    fresh_model: "Callable[[], PreTrainedModel]",
    tokenizer: "PreTrainedTokenizerBase",
    rows: list[TrainingRow],
    one_thread: None,
) -> None:
    seen: list[Any] = []

    def reward(prompts: Any, completions: Any, completion_ids: Any, **columns: Any) -> list[float]:
        seen.append([question_of(info).id for info in columns["extra_info"]])
        return [float(len(set(ids)) % 2) for ids in completion_ids]

    settings = loop_settings(3, 2, steps=2, prompts=2, rollouts=2, max_tokens=4, micro_batch=4, seed=3)
    plain = [row for row in rows if not row.aggregation]
    trainer = loop_trainer(settings, 3, 2, 2)
    folder = train(fresh_model(), tokenizer, plain, settings, tmp_path / "run", reward=reward, trainer=trainer)
    kept = [rollout for rollout in read_rollouts(folder.rollouts) if rollout.step == 1]
    assert len(kept) == 2 * 3 * 2 * 2
    assert {rollout.id for rollout in kept} <= {row.id for row in rows if not row.aggregation}
    assert [rollout.id for rollout in kept] == seen[0]
    places = Loops(ASKED, 3, 2, 2, 2, step_seed(3, 1)).places()
    assert [(rollout.t, rollout.i) for rollout in kept] == [(t, i) for _, _, t, i in places]
    first = question_of(next(row for row in rows if row.id == kept[0].id))
    sets = Loops((first,), 3, 2, 2, 2, step_seed(3, 1)).sets(0)[2]
    own = {place: rollout.reward for place, rollout in zip(places, kept, strict=True)}
    for (question, loop, t, i), rollout in zip(places, kept, strict=True):
        if t == 2 and question == 0:
            assert rollout.c == sum(own[0, loop, 1, parent] == 1.0 for parent in sets[i])
    line = folder.metrics.lines()[0]
    assert line["plain"]["n"] == line["aggregation"]["n"] == 12
    assert line["grad_norm"] > 0


def test_settings_of_a_loop_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="1 <= K <= N and T >= 2"):
        loop_trainer(loop_settings(2, 2), 2, 4, 2)
