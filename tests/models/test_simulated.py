"""The simulated model's law of skill: what it draws, and on what alone that depends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

import selfagg
from selfagg.models import connect
from selfagg.models.simulated import UNANSWERED, WORLDS, SimulatedModel, Simulation
from selfagg.types import Member, Question, Reply, Request, Sampling

QUESTION = Question("q", "How many?", "math", gold="7")


def candidate(i: int, answer: str | None) -> Member:
    text = UNANSWERED if answer is None else f"Simulated reply. \\boxed{{{answer}}}"
    return Member(1, i, reply=Reply(text))


async def replies(
    model: SimulatedModel, answers: Sequence[str | None], count: int = 4000, question: Question = QUESTION
) -> Counter[str]:
    """Sample that often from candidates with these answers."""
    candidates = tuple(candidate(i, answer) for i, answer in enumerate(answers))
    drawn: Counter[str] = Counter()
    for seed in range(count):
        request = Request((), Sampling(max_tokens=10**6), seed, question, candidates)
        drawn[(await model.sample(request)).text] += 1
    return drawn


def right(drawn: Counter[str]) -> float:
    return sum(n for text, n in drawn.items() if text.endswith("\\boxed{7}")) / drawn.total()


async def test_an_answer_is_taken_with_its_weight() -> None:
    skill = 1.5
    model = SimulatedModel(Simulation(p=0, spread=0, skill=skill, herd=1.3))
    drawn = await replies(model, ["7", "8", "8", "8"])
    seven, eight = 2.718281828 ** (0.7 * skill), 3**1.3
    assert right(drawn) == pytest.approx(0.98 * seven / (seven + eight + 1), abs=0.03)
    taken = drawn["Simulated reply. \\boxed{8}"] / drawn.total()
    assert taken == pytest.approx(0.98 * eight / (seven + eight + 1), abs=0.03)


async def test_a_candidate_without_an_answer_is_not_taken() -> None:
    model = SimulatedModel(Simulation(p=1, spread=0, skill=1))
    drawn = await replies(model, [None, None, None, None], 500)
    assert drawn[UNANSWERED] == 0
    assert right(drawn) == pytest.approx(0.98, abs=0.03)


async def test_more_skill_is_more_often_right_and_no_right_candidate_leaves_only_fresh_solving() -> None:
    rates = [
        right(await replies(SimulatedModel(Simulation(p=0.5, spread=0, skill=skill)), ["7", "8", "9", "10"], 1500))
        for skill in (0.1, 1.5, 4)
    ]
    assert rates[0] + 0.15 < rates[1] < rates[2] - 0.1
    hopeless = SimulatedModel(Simulation(hopeless=1, skill=4))
    assert right(await replies(hopeless, ["8", "8", "9", "10"], 500)) == 0


@pytest.mark.parametrize("agree", [0.2, 0.7])
async def test_wrong_answers_agree(agree: float) -> None:
    model = SimulatedModel(Simulation(p=0, spread=0, wrong=20, agree=agree))
    shares = []
    for number in range(60):
        drawn = await replies(model, [], 60, Question(f"q{number}", "?", "math", gold="7"))
        shares.append(max(drawn.values()) / drawn.total())
    assert sum(shares) / len(shares) == pytest.approx(agree, abs=0.12)


async def test_wrong_replies_are_longer() -> None:
    model = SimulatedModel(Simulation(p=0.5, spread=0, skill=1, tokens=1000, cv=0))
    lengths: dict[bool, set[int]] = {True: set(), False: set()}
    for seed in range(50):
        reply = await model.sample(Request((), Sampling(max_tokens=10**6), seed, QUESTION))
        lengths[reply.text.endswith("\\boxed{7}")].add(reply.usage.completion)
    assert lengths == {True: {1000}, False: {1600}}


async def test_easy_and_hopeless_questions_have_their_shares() -> None:
    model = SimulatedModel(Simulation(easy=0.6, hopeless=0.2, spread=0, p=0.5))
    questions = [Question(f"q{i}", "?", "math", gold="7") for i in range(400)]
    rights = [round(16 * right(await replies(model, [], 16, question))) for question in questions]
    assert sum(count == 0 for count in rights) / 400 == pytest.approx(0.2, abs=0.06)
    assert sum(count >= 14 for count in rights) / 400 == pytest.approx(0.6, abs=0.08)


@pytest.mark.parametrize("world", WORLDS)
async def test_a_reply_follows_from_question_seed_and_candidates_alone(world: str) -> None:
    candidates = tuple(candidate(i, answer) for i, answer in enumerate(["7", "8", "8", "9"]))
    requests = [
        Request((), Sampling(max_tokens=10**6), seed, Question(f"q{seed % 3}", "?", "math", gold="7"), candidates)
        for seed in range(40)
    ]
    first, second = connect(f"simulated:{world}"), connect(f"simulated:{world}")
    there = [await first.sample(request) for request in requests]
    back = [await second.sample(request) for request in reversed(requests)][::-1]
    assert there == back
    assert len({reply.text for reply in there}) > 1


@pytest.mark.parametrize("world", WORLDS)
def test_rsa_gains_in_every_preset(world: str) -> None:
    questions = [Question(f"q{i}", f"Question {i}?", "math", gold=str(i)) for i in range(40)]
    found = selfagg.evaluate(questions, model=f"simulated:{world}", method=selfagg.RSA(n=8, k=4, t=3))
    first, *_, last = (population.accuracy for population in found.populations)
    assert first
    assert last
    assert last.mean > first.mean + 0.01


def test_a_setting_after_a_preset_changes_it() -> None:
    model = connect("simulated:aime,skill=0.5,wrong=3")
    assert isinstance(model, SimulatedModel)
    aime = WORLDS["aime"]
    assert (model.simulation.skill, model.simulation.wrong, model.simulation.p) == (0.5, 3, aime.p)
    assert model.name == "simulated:aime,skill=0.5,wrong=3"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("amie", "'amie' is neither a preset"),
        ("p=0.3,aime", "which stands first"),
        ("aime,hopeles=1", "did you mean hopeless"),
        ("easy=0.7,hopeless=0.4", "more than all questions"),
        ("agree=1.5", "agree = 1.5"),
        ("skill=-1", "skill = -1.0"),
        ("skill=1e3", "at most 20"),
        ("herd=nan", "herd = nan"),
    ],
)
def test_impossible_settings_are_refused(settings: str, message: str) -> None:
    with pytest.raises(selfagg.UsageError, match=message):
        connect(f"simulated:{settings}")
