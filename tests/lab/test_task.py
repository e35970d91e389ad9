"""The task, its wording, and what the tiny tokenizer makes of the project's own prompts."""

import itertools
from dataclasses import replace
from typing import Any

from examples.lab.model import make_tokenizer
from examples.lab.task import World, candidate, share_right, written

from selfagg.prompts import aggregation, first
from selfagg.run.subsets import address_random
from selfagg.scoring import scorer_for

WORLD = World(places=6, rules=3, steps=2, goals=2, seed=4)
PROBLEMS = WORLD.problems(20)


async def test_right_is_the_one_walk_to_each_goal() -> None:
    for problem in PROBLEMS:
        question = WORLD.question(problem)
        walks = [WORLD.walk(problem.rules, start) for start in range(WORLD.places)]
        for one, other in itertools.product(walks, walks):
            text = written(problem, [one, other])
            found = [walk[-1] == goal for walk, goal in zip((one, other), problem.goals, strict=True)]
            assert (await scorer_for("text").score(question, text)).score == float(all(found))
            assert share_right(text, str(question.gold)) == sum(found) / 2


async def test_a_walk_that_claims_its_goal_is_wrong() -> None:
    problem = PROBLEMS[7]
    question, drawn = WORLD.question(problem), address_random("test")
    lie = [(*walk[:-1], goal) for walk, goal in zip(WORLD.failed_attempt(problem, drawn), problem.goals, strict=True)]
    unsaid = written(problem, WORLD.solution(problem)).rpartition(" ")[0]
    for text, share in ((written(problem, lie), 0.0), (unsaid, 0.0), ("", 0.0)):
        assert (await scorer_for("text").score(question, text)).score == 0.0
        assert share_right(text, str(question.gold)) == share


def test_a_failed_attempt_finds_no_goal() -> None:
    drawn = address_random("test")
    for problem in PROBLEMS:
        assert not {walk[-1] for walk in WORLD.failed_attempt(problem, drawn)} & {*problem.goals}


def test_rules_are_permutations_within_regions_and_follow_from_the_seed() -> None:
    assert all(sorted(moves) == [*range(WORLD.places)] for moves in WORLD.moves)
    assert all(place % 2 == to % 2 for moves in WORLD.moves for place, to in enumerate(moves))
    assert replace(WORLD).moves == WORLD.moves != replace(WORLD, seed=5).moves


def test_rules_of_held_out_problems_are_others() -> None:
    world = replace(WORLD, rules=4)
    learnt, kept = ({problem.rules for problem in world.problems(60, held_out=held_out)} for held_out in (False, True))
    assert not learnt & kept
    assert len(learnt | kept) == 16
    assert len({*world.problems(60)}) == 60
    assert len(replace(world, rules=2, goals=1).problems(60)) == 4 * WORLD.places
    assert world.problems(60) == replace(world).problems(60) != replace(world, seed=5).problems(60)


def test_the_tokenizer_reads_the_world_and_passes_over_the_english() -> None:
    tokenizer = make_tokenizer(WORLD)
    problem = PROBLEMS[11]
    question, drawn = WORLD.question(problem), address_random("test")
    shown = [WORLD.attempt(problem, drawn) for _ in range(2)]
    members = [candidate(place, problem, walks) for place, walks in enumerate(shown)]

    def read(messages: Any) -> str:
        tokens: Any = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
        return str(tokenizer.decode(tokens["input_ids"]))

    goals = f"goals t{problem.goals[0]} t{problem.goals[1]}"
    asked = f"rules r{problem.rules[0]} r{problem.rules[1]} {goals}"
    texts = " ".join(f"[Candidate {written(problem, walks)}" for walks in shown)
    assert read([*map(dict, first(question).messages(()))]) == asked
    prompt = aggregation(question, members).messages([member.text for member in members])
    assert read([*map(dict, prompt)]) == f"{asked} {texts} {goals}"
