"""The task, its wording, and what the tiny tokenizer makes of the project's own prompts."""

from typing import Any

from examples.lab.model import make_tokenizer
from examples.lab.task import World, candidate, written

from selfagg.prompts import aggregation, first
from selfagg.run.subsets import address_random
from selfagg.scoring import scorer_for

WORLD = World(places=6, rules=3, steps=2, seed=4)


async def test_right_is_the_one_walk_that_ends_at_the_goal() -> None:
    scorer = scorer_for("text")
    for problem in WORLD.problems:
        question = WORLD.question(problem)
        verdicts = [
            (walk, await scorer.score(question, written(walk)))
            for walk in (WORLD.walk(problem.rules, start) for start in range(WORLD.places))
        ]
        assert [walk for walk, verdict in verdicts if verdict.score == 1.0] == [WORLD.solution(problem)]
        assert WORLD.solution(problem)[-1] == problem.goal


async def test_a_walk_that_claims_the_goal_is_wrong() -> None:
    problem = WORLD.problems[7]
    question, drawn = WORLD.question(problem), address_random("test")
    lie = (*WORLD.failed_attempt(problem, drawn)[:-1], problem.goal)
    unsaid = written(WORLD.solution(problem)).rpartition(" ")[0]
    for text in (written(lie), unsaid, ""):
        assert (await scorer_for("text").score(question, text)).score == 0.0


def test_rules_are_permutations_and_follow_from_the_seed() -> None:
    assert all(sorted(moves) == [*range(WORLD.places)] for moves in WORLD.moves)
    assert World(6, 3, 2, 4).moves == WORLD.moves != World(6, 3, 2, 5).moves


def test_held_out_problems_are_others() -> None:
    learnt, kept = WORLD.split(10, 1)
    assert len(kept) == 10
    assert {*learnt} | {*kept} == {*WORLD.problems}
    assert not {*learnt} & {*kept}
    assert kept != WORLD.split(10, 2)[1]


def test_the_tokenizer_reads_the_world_and_passes_over_the_english() -> None:
    tokenizer = make_tokenizer(WORLD)
    problem = WORLD.problems[11]
    question = WORLD.question(problem)
    walks = [WORLD.walk(problem.rules, start) for start in (1, 2)]
    members = [candidate(place, walk) for place, walk in enumerate(walks)]

    def read(messages: Any) -> str:
        tokens: Any = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
        return str(tokenizer.decode(tokens["input_ids"]))

    asked = f"rules r{problem.rules[0]} r{problem.rules[1]} goal g{problem.goal}"
    shown = " ".join(f"[Candidate {written(walk)}" for walk in walks)
    assert read([*map(dict, first(question).messages(()))]) == asked
    prompt = aggregation(question, members).messages([member.text for member in members])
    assert read([*map(dict, prompt)]) == f"{asked} {shown} goal g{problem.goal}"
