"""The lessons: what counts in the loss is what the model is to learn."""

import random
from typing import Any

import pytest
from examples.lab.model import make_model, make_tokenizer
from examples.lab.supervised import Example, Habits, Schooling, _habit, _lesson, school, share_walked
from examples.lab.task import World

WORLD = World(places=6, rules=3, steps=2, seed=4)
TOKENIZER = make_tokenizer(WORLD)


def counted(example: Example) -> list[tuple[str, float]]:
    tokens: Any = TOKENIZER(example.text)
    words = [*TOKENIZER.convert_ids_to_tokens(tokens["input_ids"]), "<eos>"]
    return [*zip(words, example.counts, strict=True)]


def lessons(number: int = 200) -> list[list[tuple[str, float]]]:
    drawn = random.Random(3)
    return [counted(_lesson(WORLD, drawn.choice(WORLD.problems), drawn, plain=0.3)) for _ in range(number)]


def test_prompts_never_count_and_there_are_three_kinds_of_lessons() -> None:
    kinds = set()
    for words in lessons():
        assert all(weight == 0 for word, weight in words if word in ("rules", "goal", "[Candidate") or word[0] == "r")
        kinds.add((len(words), words[-1][1]))
    assert len(kinds) == 3


def test_a_lesson_in_reading_asks_for_the_starts_of_its_own_candidates() -> None:
    read = 0
    for words in lessons():
        text = [word for word, _ in words]
        if text.count("goal") < 3:
            continue
        read += 1
        shown = [text[place + 1 : place + 5] for place, word in enumerate(text) if word == "[Candidate"]
        starts = {walk[-2]: walk[0] for walk in shown}
        asked = [place for place, word in enumerate(text) if word == "goal"][1:]
        assert len(starts) == 4
        assert all(starts[text[place + 1]] == text[place + 2] for place in asked)
        assert all(words[place + 2][1] == 1.0 for place in asked)
    assert read > 20


@pytest.mark.parametrize("look", [0.0, 1.0])
def test_habits_look_as_often_as_they_say(look: float) -> None:
    drawn = random.Random(5)
    right = seen = 0
    for _ in range(400):
        problem = drawn.choice(WORLD.problems)
        words = [word for word, _ in counted(_habit(WORLD, problem, drawn, 0.0, Habits(look, 0.0)))]
        solution = WORLD.solution(problem)
        shown = [words[place + 1 : place + 5] for place, word in enumerate(words) if word == "[Candidate"]
        if any(walk[-2] == f"g{problem.goal}" for walk in shown):
            seen += 1
            right += words[-5] == f"p{solution[0]}"
    assert seen > 100
    assert right == seen if look else right / seen == pytest.approx(1 / WORLD.places, abs=0.12)


def test_school_teaches() -> None:
    model = make_model(TOKENIZER, 0)
    drawn = random.Random(0)
    before = share_walked(model, TOKENIZER, WORLD, WORLD.problems, drawn)
    schooling = Schooling(lessons=60, every=60, habit_steps=1, batch=64, plain=0.9)
    result = school(model, TOKENIZER, WORLD, WORLD.problems, schooling, Habits(0.3, 0.3), 0)
    assert before < 0.02
    assert result["walks"] > 3 * before
    assert result["lessons"] == 60
