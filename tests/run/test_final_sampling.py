"""What binds the answer alone: the last population's own sampling, its reply as it is written, several answers."""

from pathlib import Path
from typing import Any

import pytest

from selfagg.methods import RSA
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.record import NullStore, Record
from selfagg.run.engine import Engine, FinalSampling, Settings
from selfagg.run.question_run import QuestionRun
from selfagg.run.runner import answer
from selfagg.types import Delta, Question, Reply, Request, Sampling


class Watched(SimulatedModel):
    def __init__(self, **settings: Any) -> None:
        super().__init__(Simulation(**settings))
        self.seen: list[Request] = []

    async def sample(self, request: Request) -> Reply:
        self.seen.append(request)
        return await super().sample(request)

    def stream(self, request: Request) -> Any:
        self.seen.append(request)
        return super().stream(request)


QUESTION = Question("q", "what?")


async def test_the_last_population_has_its_own_sampling_and_is_streamed() -> None:
    model, heard = Watched(), dict[int, list[Delta]]()
    last = Sampling(stop=("end",), extra_body={"response_format": {"type": "json_object"}})
    final_sampling = FinalSampling(3, last, lambda i, delta: heard.setdefault(i, []).append(delta))
    engine = Engine(model, Settings(), NullStore(), final_sampling=final_sampling)
    method = RSA(n=6, k=2, t=3)
    question_run = QuestionRun(engine, QUESTION, 0, method)
    done = await answer(question_run)
    await question_run.close()
    assert {i: "".join(delta.text for delta in deltas) for i, deltas in heard.items()} == {
        done.member.i: done.member.text
    }
    assert len(heard[done.member.i]) > 1
    finals = [request for request in model.seen if request.verbatim]
    assert len(finals) == 1
    assert finals[0].sampling.stop == ("end",)
    assert all(request.sampling.stop == () for request in model.seen if not request.verbatim)


@pytest.mark.parametrize("choice", ["sample", "majority"])
async def test_a_bound_answer_of_a_group_is_one_aggregation_of_its_first_members(choice: Any) -> None:
    model, heard = Watched(p=1.0), list[Delta]()
    final_sampling = FinalSampling(
        4, Sampling(stop=("end",)), lambda _, delta: heard.append(delta), votes=choice == "majority", binds=True
    )
    engine = Engine(model, Settings(), NullStore(), final_sampling=final_sampling)
    method = RSA(n=5, k=3, t=4, stop="unanimous")
    question_run = QuestionRun(engine, Question("q", "what?", "math", gold="7"), 0, method)
    done = await answer(question_run, choice=choice)
    await question_run.close()
    assert (done.member.t, done.member.i, done.member.parents) == (2, 0, (0, 1, 2))
    assert "".join(delta.text for delta in heard) == done.member.text
    assert [request.sampling.stop for request in model.seen] == [()] * 5 + [("end",)]
    assert set(question_run.members) == {(1, i) for i in range(5)}


@pytest.mark.parametrize(
    ("role", "t", "votes", "binds", "final", "hears"),
    [
        ("candidate", 3, False, True, True, True),
        ("candidate", 3, True, False, True, False),
        ("candidate", 3, True, True, False, False),
        ("candidate", 2, False, True, False, False),
        ("closing", 2, True, True, True, True),
        ("verdict", 3, False, True, False, False),
    ],
)
def test_which_calls_reply_is_the_answer(role: str, t: int, votes: bool, binds: bool, final: bool, hears: bool) -> None:
    found = FinalSampling(3, Sampling(), lambda _, delta: None, votes=votes, binds=binds).of(role, t)
    assert (found is not None, found is not None and found.listener is not None) == (final, hears)


async def test_several_answers_are_different_members_and_cost_their_ancestors_alone() -> None:
    method = RSA(n=6, k=1, t=2)
    for choice in ("sample", "majority"):
        question_run = QuestionRun(Engine(SimulatedModel(Simulation()), Settings(), NullStore()), QUESTION, 0, method)
        done = await answer(question_run, choice=choice, count=3)
        await question_run.close()
        assert len({member.i for member in (done.member, *done.others)}) == 3
        assert all(member.t == 2 for member in (done.member, *done.others))
        assert question_run.calls <= (6 if choice == "sample" else 12)


async def test_members_that_failed_are_replaced_by_others() -> None:
    method = RSA(n=16, k=2, t=1)
    question_run = QuestionRun(
        Engine(SimulatedModel(Simulation(fail=0.6)), Settings(), NullStore()), QUESTION, 0, method
    )
    done = await answer(question_run, count=3)
    await question_run.close()
    assert question_run.calls > 3
    assert all(member.reply for member in (done.member, *done.others))


async def test_a_record_takes_questions_as_they_come_and_goes_on_with_them(tmp_path: Path) -> None:
    chat = Question(
        "b",
        "and this?",
        context=({"role": "user", "content": "hi"},),
        turn={"role": "user", "content": [{"type": "text", "text": "and this?"}]},
        after=({"role": "assistant", "content": "well"},),
    )
    path = tmp_path / "served.sqlite"
    with Record(path) as record:
        record.begin({"source": "serve"}, [])
        positions = [await record.add(QUESTION), await record.add(chat)]
    with Record(path) as record:
        known = list(record.questions())
        record.begin({"source": "serve"}, known)
        positions.append(await record.add(Question("c", "last")))
        assert known == [QUESTION, chat]
        assert [question.id for question in record.questions()] == ["q", "b", "c"]
    assert positions == [0, 1, 2]
