"""Rewards are what an evaluation scores, for every kind of question and every way a reply may look."""

import asyncio
import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import async_solipsism  # type: ignore[import-untyped]
import pytest

from selfagg.benchmarks.base import Selection
from selfagg.benchmarks.reasoning_gym import entry_question, load_tasks
from selfagg.errors import UsageError
from selfagg.methods import Majority
from selfagg.models.openai.wire import read_reply
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.configuration import configuration
from selfagg.record.record import Record
from selfagg.record.rows import question_body
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.sandbox import Limits, Sandbox
from selfagg.scoring import scorer_for
from selfagg.scoring.base import Verdict
from selfagg.training import reward as rewards
from selfagg.training.reward import Reward, Rewards, Unscorable, compute_score, reply_of, trl_reward, try_scoring
from selfagg.training.rows import TrainingRow
from selfagg.types import Question, Reply, Request, Usage

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LIMIT = 50
END = 7

MATH = Question("sum", "2 + 2?", "math", gold="4")
CHOICE = Question("letter", "Which?", "choice", gold="B")
TEXT = Question("capital", "Of France?", "text", gold="Paris")
CODE = Question("double", "Double it.", "code", data={"format": "stdin", "cases": [["1\n", "2\n"], ["21\n", "42\n"]]})
ENTRY = {"question": "Spell this word backward (example: sun -> nus): hypomeron", "answer": "noremopyh", "metadata": {}}
GYM = entry_question("spell_backward-0", "spell_backward", ENTRY)


def program(line: str) -> str:
    return f"```python\n{line}\n```"


WRITTEN: list[tuple[Question, str, bool]] = [
    (MATH, r"So \boxed{4}", False),
    (MATH, r"So \boxed{2^2}", False),
    (MATH, r"So \boxed{5}", False),
    (MATH, r"So \boxed{4", True),
    (MATH, r"<think>is it \boxed{4}?</think>No: \boxed{5}", False),
    (MATH, r"is it \boxed{5}?</think>No: \boxed{4}", False),
    (MATH, r"<think>is it \boxed{4}? I think", True),
    (MATH, r"\boxed{9^{9^{9^{9}}}}", False),
    (MATH, "", False),
    (CHOICE, r"\boxed{\text{(b)}}", False),
    (CHOICE, r"\boxed{A}", False),
    (CHOICE, r"\boxed{A or B}", False),
    (TEXT, "paris", False),
    (TEXT, "paris", True),
    (TEXT, "<think>Lyon?</think><answer>Paris</answer>", False),
    (TEXT, "<answer>Paris</answer> and so", True),
    (TEXT, "Not Paris", False),
    (GYM, f"<answer>{GYM.gold}</answer>", False),
    (GYM, f"<answer>{GYM.gold}</answer> or <answer>nothing</answer>", False),
    (GYM, f"<think><answer>{GYM.gold}</answer></think>", False),
    (GYM, "<answer>x</answer>", False),
    (CODE, program("print(2 * int(input()))"), False),
    (CODE, program("print(2)"), False),
    (CODE, program("while True: pass"), False),
    (CODE, program("raise SystemExit(0)") + program("print(2 * int(input()))")[:-3], True),
]


class Scripted(SimulatedModel):
    """Answers each question with its own text, read as a server's answer is."""

    def __init__(self, texts: dict[str, tuple[str, bool]]) -> None:
        super().__init__(Simulation())
        self.texts = texts

    async def sample(self, request: Request) -> Reply:
        text, cut = self.texts[request.question.id]
        message = {"message": {"content": text}, "finish_reason": "length" if cut else "stop"}
        return replace(read_reply({"choices": [message]}, seconds=0.0), usage=Usage(1, 0, 1))


@pytest.fixture
def code(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setattr(scorer_for("code"), "sandbox", sandbox)
    monkeypatch.setattr(scorer_for("code"), "_limits", Limits(seconds=1))
    return sandbox


async def evaluated(questions: Sequence[Question], model: SimulatedModel) -> list[tuple[str, bool, float | None]]:
    """Text, whether it was cut, and score of each question's member, out of the record of an evaluation."""
    method = Majority(n=1)
    with Record(None) as record:
        record.begin(configuration(method, "test", Settings(), "test"), list(questions))
        await evaluate(Engine(model, Settings(), record), method, questions)
        members = [record.members(position)["candidate", 1, 0] for position in range(len(questions))]
    return [(member.text, bool(member.reply and member.reply.stop == "length"), member.score) for member in members]


def info(question: Question) -> dict[str, Any]:
    return {"question": question_body(question), "aggregation": True, "k": 4, "c": 2}


def ids(cut: bool) -> list[int]:
    return [1] * LIMIT if cut else [1] * (LIMIT - 1) + [END]


async def test_every_reward_is_what_an_evaluation_scores(code: Sandbox) -> None:
    numbered = [replace(question, id=f"{question.id}-{n}") for n, (question, _, _) in enumerate(WRITTEN)]
    texts = {q.id: (text, cut) for q, (_, text, cut) in zip(numbered, WRITTEN, strict=True)}
    scores = [float(score == 1.0) for _, _, score in await evaluated(numbered, Scripted(texts))]
    assert {q.kind for q, score in zip(numbered, scores, strict=True) if score} == {q.kind for q in numbered}

    columns: dict[str, Any] = {
        "extra_info": [info(q) for q in numbered],
        "completion_ids": [ids(cut) for _, _, cut in WRITTEN],
    }
    texts_alone = [text for _, text, _ in WRITTEN]
    given = await trl_reward([""] * len(numbered), texts_alone, max_tokens=LIMIT, end_ids={END}, **columns)
    assert given == scores


@pytest.mark.parametrize(
    ("question", "text", "right"),
    [
        (MATH, r"<think>is it \boxed{5}?</think>No: \boxed{4}", True),
        (MATH, r"<think>is it \boxed{4}?</think>No: \boxed{5}", False),
        (CHOICE, r"\boxed{\text{(b)}}", True),
        (CHOICE, r"\boxed{A}", False),
        (TEXT, "<think>Lyon?</think><answer>Paris</answer>", True),
        (TEXT, "Not Paris", False),
        (GYM, f"<answer>{GYM.gold}</answer>", True),
        (GYM, "<answer>x</answer>", False),
    ],
)
async def test_a_score_for_verl(question: Question, text: str, right: bool) -> None:
    result = await compute_score("selfagg/test", text, "", extra_info=info(question))
    assert result == {"score": float(right), "aggregation": 1.0, "k": 4.0, "c": 2.0}


async def test_programs_are_scored_for_verl(code: Sandbox) -> None:
    for line, score in (("print(2 * int(input()))", 1.0), ("print(2)", 0.0)):
        result = await compute_score("selfagg/test", program(line), "", extra_info={"question": question_body(CODE)})
        assert result == {"score": score, "aggregation": 0.0, "k": 0.0, "c": 0.0}


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("So 4.", ("So 4.", "")),
        ("<think>Hm.</think>So 4.", ("So 4.", "Hm.")),
        ("Hm.</think>So 4.", ("So 4.", "Hm.")),
        ("", ("", "")),
    ],
)
def test_a_text_and_a_conversation_are_the_same_reply(text: str, reply: tuple[str, str], cut: bool) -> None:
    found = reply_of(text, cut=cut)
    assert ((found.text, found.reasoning), found.stop) == (reply, "length" if cut else "finished")
    asked = {"role": "user", "content": "2 + 2?"}
    assert reply_of([asked, {"role": "assistant", "content": text}], cut=cut) == found


def test_reasoning_that_comes_apart_stays_apart() -> None:
    message = {"role": "assistant", "content": "<think>no</think>4", "reasoning_content": "Hm."}
    assert reply_of([message]) == Reply("<think>no</think>4", "Hm.")
    assert reply_of([{"role": "assistant", "content": None}]) == Reply("")


async def test_rewards_equal_the_scores_of_a_whole_run() -> None:
    gym = load_tasks("spell_backward,countdown,letter_counting", Selection(size=24))
    sums = [Question(f"sum{i}", f"{i} + {i}?", "math", gold=str(2 * i)) for i in range(8)]
    questions = [*gym, *sums]
    found = await evaluated(questions, SimulatedModel(Simulation(p=0.5, unanswered=0.1)))
    assert {score for _, _, score in found} >= {0.0, 1.0}
    given = await asyncio.gather(
        *(
            Rewards().reward(info(q), reply_of(text, cut=cut))
            for q, (text, cut, _) in zip(questions, found, strict=True)
        )
    )
    assert [reward.value for reward in given] == [float(score == 1.0) for _, _, score in found]


def rewarded(*texts: str) -> tuple[list[Reward], float]:
    """The rewards of texts that are scored at once, in virtual time, and how long it took."""

    async def work() -> list[Reward]:
        rewards = Rewards()
        given = await asyncio.gather(*(rewards.reward(info(MATH), Reply(text)) for text in texts))
        await asyncio.sleep(0)  # who was cancelled ends
        return given

    with asyncio.Runner(loop_factory=async_solipsism.EventLoop) as runner:
        return runner.run(work()), runner.get_loop().time()


class TestWhatCannotBeScored:
    async def test_gets_no_reward_and_is_counted(self, caplog: pytest.LogCaptureFixture) -> None:
        unknown = replace(GYM, id="unknown", data={**GYM.data, "task": "no_such_task"})
        goldless = replace(MATH, id="goldless", gold=None)
        metrics: dict[str, float] = {}
        extra: dict[str, list[Any]] = {}
        columns = [info(MATH), info(unknown), info(goldless), {"index": 3}, {"question": "{}"}]
        with caplog.at_level(logging.WARNING):
            values = await trl_reward(
                [""] * 5,
                [r"<answer>4</answer> \boxed{4}"] * 5,
                [[1]] * 5,
                extra_info=columns,
                log_metric=metrics.__setitem__,
                log_extra=extra.__setitem__,
            )
        assert values == [1.0, None, None, None, None]
        assert metrics == {"reward/unscorable": 0.8}
        assert "4 of 5" in caplog.text
        assert [*map(bool, extra["note"])] == [False, True, True, True, True]
        assert "no_such_task" in extra["note"][1]
        assert extra["note"][2] == "question goldless: it has no gold answer"
        with pytest.raises(Unscorable, match="no_such_task"):
            await compute_score("selfagg/test", "<answer>x</answer>", "", extra_info=info(unknown))

    async def test_a_check_that_raises_ends_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def broken(question: Question, reply: Reply) -> Verdict:
            raise RuntimeError("the scorer is broken")

        monkeypatch.setattr(rewards, "score_reply", broken)
        given = await Rewards().reward(info(MATH), Reply(r"\boxed{4}"))
        assert given.value is None
        assert given.note == "question sum: the scorer is broken"

    def test_checks_that_hang_are_given_up_together(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ended: list[str] = []

        async def hang(question: Question, reply: Reply) -> Verdict:
            if reply.text == "right":
                return Verdict("4", 1.0)
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(reply.text)
            raise AssertionError

        monkeypatch.setattr(rewards, "score_reply", hang)
        texts = [f"hangs {i}" for i in range(20)]
        given, seconds = rewarded(*texts, "right")
        assert [reward.value for reward in given] == [None] * 20 + [1.0]
        assert given[0].note == "question sum: no check came to an end for 900 s"
        assert sorted(ended) == sorted(texts)
        assert 900 <= seconds <= 1800

    def test_a_long_queue_is_no_stall(self, monkeypatch: pytest.MonkeyPatch) -> None:
        turns: list[asyncio.Semaphore] = []

        async def slow(question: Question, reply: Reply) -> Verdict:
            turns[:] = turns or [asyncio.Semaphore(1)]
            async with turns[0]:
                await asyncio.sleep(500)
            return Verdict("4", 1.0)

        monkeypatch.setattr(rewards, "score_reply", slow)
        given, seconds = rewarded(*["4"] * 30)
        assert [reward.value for reward in given] == [1.0] * 30
        assert seconds == 30 * 500


class TestBeforeARun:
    async def test_what_can_be_scored_passes(self, code: Sandbox) -> None:
        await try_scoring([MATH, CHOICE, TEXT, GYM, CODE])

    async def test_what_cannot_is_said(self) -> None:
        with pytest.raises(UsageError, match="question sum: it has no gold answer"):
            await try_scoring([replace(MATH, gold=None)])
        unknown = replace(GYM, id="u", data={**GYM.data, "task": "no_such_task"})
        with pytest.raises(UsageError, match=r"cannot be scored here: question u: .*no_such_task"):
            await try_scoring([GYM, unknown])


def test_trl_goes_on_where_a_response_has_no_reward(
    rows: list[TrainingRow],
    tokenizer: "PreTrainedTokenizerBase",
    fresh_model: "Callable[[], PreTrainedModel]",
    tmp_path: Path,
    one_thread: None,
) -> None:
    trl = pytest.importorskip("trl")
    from datasets import Dataset  # type: ignore[import-untyped]

    columns = [row.columns() for row in rows[:2]]
    columns[1]["extra_info"]["question"] = "not JSON"
    trainer = trl.RLOOTrainer(
        fresh_model(),
        reward_funcs=functools.partial(trl_reward, max_tokens=4, end_ids={1}),
        args=trl.RLOOConfig(
            str(tmp_path),
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            beta=0.0,
            max_steps=1,
            num_generations=2,
            per_device_train_batch_size=4,
            max_completion_length=4,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(columns),
        processing_class=tokenizer,
    )
    trainer.train()
    logged = {name: value for line in trainer.state.log_history for name, value in line.items()}
    assert logged["reward/unscorable"] == 0.5  # both responses to one of two prompts
    assert logged["rewards/trl_reward/mean"] == 0.0
