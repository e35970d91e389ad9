"""The lessons: what counts in the loss is what the model is to learn."""

import random
from typing import Any

import pytest
from examples.lab.model import make_model, make_tokenizer
from examples.lab.supervised import Example, Habits, Schooling, _habit, _lesson, school, share_walked
from examples.lab.task import World

WORLD = World(places=6, rules=3, steps=2, goals=2, seed=4)
TOKENIZER = make_tokenizer(WORLD)
WALK = WORLD.steps + 3


def counted(example: Example) -> list[tuple[str, float]]:
    tokens: Any = TOKENIZER(example.text)
    words = [*TOKENIZER.convert_ids_to_tokens(tokens["input_ids"]), "<eos>"]
    return [*zip(words, example.counts, strict=True)]


def lessons(number: int = 200) -> list[list[tuple[str, float]]]:
    drawn = random.Random(3)
    return [counted(_lesson(WORLD, WORLD.problem(drawn), drawn, plain=0.3)) for _ in range(number)]


def shown(words: list[str]) -> list[list[str]]:
    """Return the walks of the candidates of a prompt, each from its goal to its start again."""
    begins = [place + 1 + WALK * goal for place, word in enumerate(words) if word == "[Candidate" for goal in range(2)]
    return [words[begin : begin + WALK] for begin in begins]


def test_words_of_the_problem_never_count_and_there_are_three_kinds_of_lessons() -> None:
    kinds = set()
    for words in lessons():
        assert all(weight == 0 for word, weight in words if word in ("rules", "goals", "[Candidate") or word[0] == "r")
        kinds.add(("[Candidate" in dict(words), words[-1][1]))
    assert kinds == {(False, 1.0), (True, 1.0), (True, 0.0)}


def test_a_lesson_in_reading_asks_for_the_starts_of_its_own_candidates() -> None:
    read = 0
    for words in lessons():
        text = [word for word, _ in words]
        if words[-1][1]:
            continue
        read += 1
        starts = {walk[-2][1:]: walk[1] for walk in shown(text)}
        assert all(walk[-1] == starts[walk[-2][1:]] for walk in shown(text))
        asked = words[len(text) - text[::-1].index("goals") + 2 : -1]
        assert len(asked) >= 16
        for (goal, unasked), (start, counts) in zip(asked[::2], asked[1::2], strict=True):
            assert (starts[goal[1:]], unasked, counts) == (start, 0.0, 1.0)
    assert read > 20


@pytest.mark.parametrize("look", [0.0, 1.0])
def test_habits_look_as_often_as_they_say(look: float) -> None:
    drawn = random.Random(5)
    right = seen = 0
    for _ in range(400):
        problem = WORLD.problem(drawn)
        words = [word for word, _ in counted(_habit(WORLD, problem, drawn, 0.0, Habits(look, 0.0)))]
        for place, (goal, solution) in enumerate(zip(problem.goals, WORLD.solution(problem), strict=True)):
            if any(walk[-2] == f"g{goal}" for walk in shown(words)):
                seen += 1
                right += words[-1 - WALK * (2 - place) + 1] == f"p{solution[0]}"
    assert seen > 100
    assert right == seen if look else right / seen == pytest.approx(1 / WORLD.places, abs=0.12)


def taught(**changed: Any) -> tuple[float, dict[str, Any]]:
    """Return how well an untrained model walks, and what its lessons came to."""
    model = make_model(TOKENIZER, 0)
    before = share_walked(model, TOKENIZER, WORLD, random.Random(0))
    settings = {"reading": 60, "every": 60, "lessons": 60, "rounds": 2, "habit_steps": 1, "batch": 64, "plain": 0.9}
    return before, school(model, TOKENIZER, WORLD, Schooling(**{**settings, **changed}), Habits(0.3, 0.3), 0)


def test_school_teaches_and_tells_a_base_that_is_not_able() -> None:
    before, result = taught()
    assert before < 0.02
    assert result["walks"] > 2 * before
    assert (result["lessons"], result["able"]) == (180, False)


def test_lessons_end_when_the_base_is_able() -> None:
    _, result = taught(passed=0.0, begun=0.0, every=20)
    assert (result["lessons"], result["able"]) == (80, True)
