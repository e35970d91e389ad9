"""What is made in the worker process, called here: entries, settings, and what cannot be."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy
import pytest

from selfagg.benchmarks import gym
from selfagg.errors import UsageError

NOTHING: Mapping[str, str] = {}


@pytest.fixture(autouse=True)
def randomness() -> Iterator[None]:
    before = random.getstate(), numpy.random.get_state()
    yield
    random.setstate(before[0])
    numpy.random.set_state(before[1])


def made(names: str, size: int, examples: int, **settings: str) -> dict[str, tuple[list[Any], list[Any]]]:
    return gym.make(names, settings, size, 0, examples, 500_000)


def asked(names: str, size: int, settings: Mapping[str, str] = NOTHING, seed: int = 0) -> dict[str, list[Any]]:
    return {task: entries for task, (entries, _) in gym.make(names, settings, size, seed, 0, 0).items()}


def test_the_names_of_all_tasks() -> None:
    names = gym.task_names()
    assert len(names) > 100
    assert names == sorted(names)
    assert "chain_sum" in names
    assert "composite" not in names


def test_the_first_tasks_get_those_left_over() -> None:
    assert {task: len(entries) for task, entries in asked("gcd, chain_sum,lcm", 5).items()} == {
        "gcd": 2,
        "chain_sum": 2,
        "lcm": 1,
    }


def test_an_item_is_the_same_whatever_was_made_before_it() -> None:
    few = asked("list_functions,gcd", 2)  # the first draws from the generators that all of a process shares
    random.seed(99)
    numpy.random.seed(99)
    many = asked("gcd,list_functions", 6)
    assert few == {task: entries[:1] for task, entries in many.items()}


def test_another_seed_makes_other_items_and_the_next_seed_nearly_the_same() -> None:
    first, next_, far = (asked("chain_sum", 3, seed=seed)["chain_sum"] for seed in (0, 1, 1_000_000))
    assert [entry["question"] for entry in first[1:]] == [entry["question"] for entry in next_[:2]]
    assert not {entry["question"] for entry in first} & {entry["question"] for entry in far}


def test_entries_are_plain_json() -> None:
    for entries in asked("knights_knaves,codeio,arc_1d,countdown,gsm_symbolic", 20).values():
        assert json.loads(json.dumps(entries, allow_nan=False)) == entries


def test_numbers_of_other_libraries_and_fractions_are_written_and_nothing_else() -> None:
    written = json.dumps([numpy.int64(3), numpy.float32(0.5), Fraction(2, 3)], default=gym._plain)
    assert json.loads(written) == [3, 0.5, "2/3"]
    with pytest.raises(TypeError, match="an entry holds a set, which cannot be recorded"):
        json.dumps({1}, default=gym._plain)


def test_settings_take_the_type_of_their_field() -> None:
    [sums] = asked("chain_sum", 10, {"min_terms": "5", "max_terms": "5"}).values()
    assert all(entry["metadata"]["num_terms"] == 5 for entry in sums)
    for operators in ("+,-", '["+", "-"]', " + , - "):
        [puzzles] = asked("countdown", 10, {"operators": operators}).values()
        assert not any(sign in str(entry["answer"]) for entry in puzzles for sign in "*/")


def test_a_setting_is_for_every_task_that_has_it_or_for_the_one_named() -> None:
    names = "chain_sum,decimal_chain_sum,gcd"
    plain, everywhere = asked(names, 9), asked(names, 9, {"min_terms": "6"})
    named = asked(names, 9, {"chain_sum.min_terms": "6"})
    assert named == {**plain, "chain_sum": everywhere["chain_sum"]}
    assert everywhere["chain_sum"] != plain["chain_sum"]
    assert everywhere["decimal_chain_sum"] != plain["decimal_chain_sum"]
    assert everywhere["gcd"] == plain["gcd"]


def test_examples_are_others_than_the_questions() -> None:
    entries, shown = made("coin_flip", 60, 3)["coin_flip"]
    assert (len(entries), len(shown)) == (60, 3)
    assert not {entry["question"] for entry in entries} & {entry["question"] for entry in shown}
    assert made("coin_flip", 60, 0)["coin_flip"] == (entries, [])


@pytest.mark.parametrize(
    ("names", "settings", "complaint"),
    [
        ("chain_sums", {}, "no task 'chain_sums'; did you mean chain_sum"),
        ("gcd,gcd", {}, "the Reasoning Gym task 'gcd' is named twice"),
        ("", {}, "no task ''"),
        ("chain_sum", {"min_term": "2"}, "chain_sum has no setting 'min_term'; did you mean min_terms"),
        ("gcd,chain_sum", {"min_trm": "2"}, "gcd, chain_sum has no setting 'min_trm'"),
        ("chain_sum", {"min_terms": "two"}, "chain_sum.min_terms cannot be 'two'"),
        ("chain_sum", {"min_terms": "2.5"}, "chain_sum.min_terms cannot be '2.5'"),
        ("chain_sum", {"min_terms": "[2"}, "the value of chain_sum.min_terms is not valid JSON"),
        ("chain_sum", {"min_terms": "[2]"}, "chain_sum.min_terms cannot be '[2]'"),
        ("chain_sum", {"seed": "3"}, "use --data-seed"),
        ("chain_sum", {"chain_sum.size": "3"}, "use --size"),
        ("chain_sum", {"gcd.seed": "3"}, "the setting 'gcd.seed' is of a task that is not asked"),
        ("chain_sum", {"min_terms": "99"}, "task chain_sum cannot be made with min_terms=99: max_terms must be >="),
    ],
)
def test_what_cannot_be_made_is_said_in_one_sentence(names: str, settings: dict[str, str], complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        asked(names, 2, settings)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_task_with_too_few_questions_gives_no_examples() -> None:
    with pytest.raises(UsageError, match="task coin_flip makes too few different questions for 1 worked examples"):
        made("coin_flip", 60, 1, min_trials="3", max_trials="3")
