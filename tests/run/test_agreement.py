"""Questions that stop and sets that are copied: decisions depend on what is recorded and on nothing else."""

import asyncio
import contextlib
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfagg.errors import UsageError
from selfagg.methods import RSA, Majority, Method
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.configuration import configuration
from selfagg.record.record import Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.question_run import QuestionRun
from selfagg.run.runner import Schedule, answer, evaluate
from selfagg.types import Question, Reply, Request

QUESTIONS = [Question(f"q{i}", f"Simulated question {i}?", "math", gold=str(i)) for i in range(8)]
STOPPED = RSA(n=5, k=2, t=4, stop="share:0.8", copy=True)
METHODS = [STOPPED, RSA(n=5, k=2, t=3, stop="unanimous"), Majority(n=9, stop="decided"), Majority(n=9, stop="asc:0.9")]

Rows = list[tuple[object, ...]]


class Slow(SimulatedModel):
    """A simulated model with random latencies that have nothing to do with the seeds, and a list of its calls."""

    def __init__(self, chance: random.Random | None = None) -> None:
        super().__init__(Simulation(p=0.8, spread=0.4, unanswered=0.03))
        self.chance = chance
        self.requests: list[Request] = []

    async def sample(self, request: Request) -> Reply:
        self.requests.append(request)
        if self.chance is not None:
            await asyncio.sleep(self.chance.random() / 500)
        return await super().sample(request)


def begun(record: Record, method: Method) -> Record:
    record.begin(configuration(method, "simulated:", Settings(), "test"), QUESTIONS)
    return record


def rows(record: Record) -> Rows:
    """Members, answers, groups and weights; not when they came."""
    return [
        *record.query(
            "SELECT question, t, i, parents, text, tries, seed, completion_tokens FROM generations ORDER BY 1, 2, 3"
        ),
        *record.query("SELECT question, t, i, answer, score, same FROM scores ORDER BY 1, 2, 3"),
        *record.query("SELECT position, weights FROM questions ORDER BY 1"),
    ]


async def run(method: Method, model: Slow, *, concurrency: int = 8, schedule: Schedule = "free") -> Rows:
    with begun(Record(None), method) as record:
        await evaluate(Engine(model, Settings(), record, concurrency=concurrency), method, QUESTIONS, schedule=schedule)
        return rows(record)


@pytest.fixture(scope="module")
def expected() -> dict[Method, Rows]:
    return {method: asyncio.run(run(method, Slow())) for method in METHODS}


@settings(max_examples=24)
@given(
    method=st.sampled_from(METHODS),
    chance=st.integers(0, 10**6),
    concurrency=st.integers(1, 60),
    schedule=st.sampled_from(["free", "stepwise"]),
)
def test_decisions_do_not_depend_on_order(
    expected: dict[Method, Rows], method: Method, chance: int, concurrency: int, schedule: Schedule
) -> None:
    model = Slow(random.Random(chance))
    found = asyncio.run(run(method, model, concurrency=concurrency, schedule=schedule))
    assert found == expected[method]
    called = [row for row in found if len(row) == 8 and row[5]]
    assert len(model.requests) == len(called), "a call was made in vain"


@settings(max_examples=10)
@given(
    method=st.sampled_from(METHODS),
    chance=st.integers(0, 10**6),
    interruptions=st.lists(st.floats(0.0, 0.04), min_size=1, max_size=4),
)
def test_interruptions_change_no_decision(
    expected: dict[Method, Rows],
    method: Method,
    chance: int,
    interruptions: list[float],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("run") / "run.sqlite"

    async def some(seconds: float | None) -> Rows:
        with begun(Record(path), method) as record:
            work = evaluate(Engine(Slow(random.Random(chance)), Settings(), record, concurrency=5), method, QUESTIONS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(work, seconds)
            return rows(record)

    for seconds in interruptions:
        asyncio.run(some(seconds))
    assert asyncio.run(some(None)) == expected[method]


def test_the_examples_stop_copy_and_go_on(expected: dict[Method, Rows]) -> None:
    members = [row for row in expected[STOPPED] if len(row) == 8]
    depths = Counter(max(int(str(row[1])) for row in members if row[0] == q) for q in range(len(QUESTIONS)))
    assert len(depths) > 1
    assert min(depths) < STOPPED.t
    copies = [row for row in members if not row[5]]
    assert copies
    assert all(row[7] == 0 and row[1] != 1 for row in copies)
    votes = [row for row in expected[METHODS[2]] if len(row) == 8]
    assert len(votes) < len(QUESTIONS) * 9


def test_a_question_stops_where_its_population_agrees_and_nowhere_else(expected: dict[Method, Rows]) -> None:
    members = [row for row in expected[STOPPED] if len(row) == 8]
    same = {row[:3]: row[5] for row in expected[STOPPED] if len(row) == 6}
    for question in range(len(QUESTIONS)):
        depth = max(int(str(row[1])) for row in members if row[0] == question)
        for t in range(1, depth + 1):
            groups = Counter(same[question, t, i] for i in range(5) if same[question, t, i] is not None)
            assert (max(groups.values(), default=0) >= 4) == (t == depth) or t == STOPPED.t


async def test_the_first_population_of_a_stopped_run_is_that_of_a_plain_one(expected: dict[Method, Rows]) -> None:
    plain = await run(RSA(n=5, k=2, t=4), Slow())
    firsts = [[row for row in found if len(row) == 8 and row[1] == 1] for found in (plain, expected[STOPPED])]
    assert firsts[0] == firsts[1]
    same_sets = {row[:4] for row in expected[STOPPED] if len(row) == 8} <= {row[:4] for row in plain if len(row) == 8}
    assert same_sets


def test_a_method_at_its_defaults_is_recorded_as_before() -> None:
    assert RSA().settings() == {"name": "rsa", "n": 16, "t": 10, "k": 4, "order": "random"}
    assert Majority().settings() == {"name": "majority", "n": 16, "t": 1}
    assert STOPPED.settings() == {
        "name": "rsa", "n": 5, "t": 4, "k": 2, "order": "random", "stop": "share:0.8", "copy": True
    }  # fmt: skip


@pytest.mark.parametrize("choice", ["sample", "majority"])
@pytest.mark.parametrize("schedule", ["free", "stepwise"])
async def test_one_answer_is_that_of_the_evaluation(
    choice: str, schedule: Schedule, expected: dict[Method, Rows]
) -> None:
    made = {row[:3]: row[4] for row in expected[STOPPED] if len(row) == 8}
    for position, question in enumerate(QUESTIONS):
        engine = Engine(Slow(), Settings(), Record(None))
        question_run = QuestionRun(engine, question, position, STOPPED)
        try:
            found = await answer(question_run, choice=choice, schedule=schedule)  # type: ignore[arg-type]
            assert made[position, found.member.t, found.member.i] == found.member.text
            if found.member.t < STOPPED.t:
                groups = Counter(m.answer for (t, _), m in question_run.members.items() if t == found.member.t)
                assert groups.most_common(1)[0][0] == found.member.answer
                assert max(t for t, _ in question_run.members) == found.member.t
        finally:
            await question_run.close()


@pytest.mark.parametrize(
    "question",
    [Question("free", "Write a poem.", "text"), Question("program", "Write f.", "code", data={"function": "f"})],
)
@pytest.mark.parametrize("method", [RSA(n=4, k=2, t=2, copy=True), RSA(n=4, k=2, t=2, stop="unanimous")])
async def test_what_cannot_be_compared_is_refused_before_the_first_call(method: Method, question: Question) -> None:
    model = Slow()
    with Record(None) as record:
        record.begin(configuration(method, "simulated:", Settings(), "test"), [question])
        with pytest.raises(UsageError, match=f"question {question.id}: .*nothing to compare"):
            await evaluate(Engine(model, Settings(), record), method, [question])
    assert not model.requests


@pytest.mark.parametrize(
    ("method", "settings", "said"),
    [
        (RSA, {"stop": "decided"}, "a rule for votes"),
        (RSA, {"stop": "share:0.4"}, "there is no rule"),
        (RSA, {"copy": "yes"}, "neither True nor False"),
        (RSA, {"answer": "best"}, "neither sample nor majority"),
        (Majority, {"stop": "share:0.875"}, "a rule for populations"),
    ],
)
def test_settings_that_cannot_be_are_refused(method: type[Method], settings: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        method(**settings)  # type: ignore[arg-type]


async def test_what_went_on_goes_on_when_a_failed_member_comes_good(tmp_path: Path) -> None:
    """A member that failed dissented; what was made after it stays, whatever the second try answers."""
    method = RSA(n=4, k=2, t=3, stop="share:0.75")
    path = tmp_path / "run.sqlite"
    with begun(Record(path), method) as record:
        failing = SimulatedModel(Simulation(p=0.9, fail=0.3))
        await evaluate(Engine(failing, Settings(), record), method, QUESTIONS)
        deepest = dict(record.query("SELECT question, max(t) FROM generations GROUP BY question"))
    with begun(Record(path), method) as record:
        await evaluate(Engine(SimulatedModel(Simulation(p=0.9)), Settings(), record), method, QUESTIONS)
        assert record.query("SELECT count(*) FROM generations WHERE error IS NOT NULL") == [(0,)]
        later = dict(record.query("SELECT question, max(t) FROM generations GROUP BY question"))
        assert all(later[question] >= t for question, t in deepest.items())
        sizes = record.query("SELECT question, t, count(*) FROM generations GROUP BY question, t")
        assert all(count == 4 for _, _, count in sizes)
