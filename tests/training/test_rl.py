import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from selfagg.errors import UsageError
from selfagg.methods.rsa import RSA
from selfagg.record.record import Record
from selfagg.training.rl import RLSettings, arguments, train
from selfagg.training.rows import TrainingRow, question_of, write_rows
from selfagg.training.run_folder import Rollout, RunFolder, read_rollouts
from selfagg.types import Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    Fresh = Callable[[], PreTrainedModel]

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = RLSettings(steps=4, prompts=4, rollouts=2, max_tokens=5, micro_batch=4, learning_rate=3e-3, seed=9)


def variety(prompts: Any, completions: Any, completion_ids: Sequence[Sequence[int]], **columns: Any) -> list[float]:
    """More different tokens, more reward."""
    return [len(set(ids)) / 5 for ids in completion_ids]


def numbers(folder: RunFolder) -> list[dict[str, Any]]:
    """The metrics, without the time they took."""
    return [{name: value for name, value in line.items() if name != "seconds"} for line in folder.metrics.lines()]


def rollouts(folder: RunFolder) -> list[Rollout]:
    return [*read_rollouts(folder.rollouts)]


def weights(folder: RunFolder) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder.final / "model.safetensors")


def same(one: RunFolder, other: RunFolder) -> bool:
    import torch

    first, second = weights(one), weights(other)
    equal = first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    return equal and numbers(one) == numbers(other) and rollouts(one) == rollouts(other)


def test_a_step_follows_the_leave_one_out_gradient(
    tmp_path: Path, fresh_model: "Fresh", tokenizer: "PreTrainedTokenizerBase", rows: list[TrainingRow]
) -> None:
    """Against the formula, one unpadded response at a time: advantage, sequence log-probability, AdamW's first step."""
    import torch

    asked: list[tuple[list[int], list[int], int, float | None]] = []

    def reward(prompts: Any, completions: Any, completion_ids: Any, **columns: Any) -> list[float | None]:
        given: list[float | None] = [len(set(ids)) / 5 for ids in completion_ids]
        given[1] = None  # could not be scored
        for prompt, ids, info, one in zip(prompts, completion_ids, columns["extra_info"], given, strict=True):
            tokens: Any = tokenizer.apply_chat_template(prompt, add_generation_prompt=True)
            asked.append((list(tokens["input_ids"]), list(ids), info["index"], one))
        return given

    model, hand = fresh_model(), fresh_model()
    settings = RLSettings(steps=1, prompts=3, rollouts=4, max_tokens=5, micro_batch=2, learning_rate=1e-3)
    line = train(model, tokenizer, rows, settings, tmp_path / "run", reward=reward).metrics.lines()[0]

    loss = torch.zeros(())
    for prompt, response, group, one in asked:
        if one is None:
            continue
        others = [other for _, ids, place, other in asked if place == group and ids is not response]
        scored = [other for other in others if other is not None]
        advantage = one - sum(scored) / len(scored)
        logits = hand(torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
        logp = torch.log_softmax(logits, -1).gather(1, torch.tensor(response)[:, None]).sum()
        loss = loss - advantage * logp / len(asked)
    loss.backward()  # type: ignore[no-untyped-call]
    norm = torch.nn.utils.clip_grad_norm_(hand.parameters(), 1.0)
    assert line["grad_norm"] == pytest.approx(float(norm), rel=1e-4)
    assert line["plain"].get("unscored", 0) + line.get("aggregation", {}).get("unscored", 0) == 1
    torch.optim.AdamW(hand.parameters(), lr=1e-3, weight_decay=0.0).step()
    for (name, trained), expected in zip(model.named_parameters(), hand.parameters(), strict=True):
        assert expected.grad is not None
        clear = expected.grad.abs() > 1e-5  # AdamW's first step is the gradient's sign, rounding where there is none
        assert torch.allclose(trained[clear], expected[clear], atol=1e-5), name


TO_BE_KILLED = """
import sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from selfagg.models.transformers.checkpoints import load
from selfagg.training.rl import RLSettings, train
from selfagg.training.rows import read_rows
base, out, lora = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
loaded, calls = load(str(base / "model"), device="cpu"), []
def reward(prompts, completions, completion_ids, **columns):
    calls.append(1)
    if len(calls) == 4:
        print("in step 4", flush=True)
        time.sleep(3600)
    return [len(set(ids)) / 5 for ids in completion_ids]
settings = RLSettings(
    steps=5, prompts=4, rollouts=2, max_tokens=5, micro_batch=4, learning_rate=3e-3, lora=lora
)
train(loaded.model, loaded.tokenizer, read_rows(base), settings, out, reward=reward, save_every=2)
"""


@pytest.mark.parametrize("lora", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_and_called_again_it_repeats_bit_by_bit(
    tmp_path: Path, fresh_model: "Fresh", tokenizer: "PreTrainedTokenizerBase", rows: list[TrainingRow], lora: int
) -> None:
    from selfagg.models.transformers.checkpoints import load, save

    save(fresh_model(), tokenizer, tmp_path / "model")
    write_rows(tmp_path, "train", rows)
    settings = RLSettings(steps=5, prompts=4, rollouts=2, max_tokens=5, micro_batch=4, learning_rate=3e-3, lora=lora)

    def call(out: Path) -> RunFolder:
        loaded = load(str(tmp_path / "model"), device="cpu")
        return train(loaded.model, loaded.tokenizer, rows, settings, out, reward=variety, save_every=2)

    killed = RunFolder(tmp_path / "killed")
    command = [sys.executable, "-c", TO_BE_KILLED, str(tmp_path), str(killed.path), str(lora)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "in step 4\n"
        finally:
            process.send_signal(signal.SIGKILL)
    assert not killed.final.exists()
    assert [line["step"] for line in killed.metrics.lines()] == [1, 2, 3]
    half = killed.checkpoints / "checkpoint-99"
    half.mkdir()
    (half / "trainer_state.json").write_text('{"global_st')
    first = {rollout.text for rollout in rollouts(killed) if rollout.step == 1}

    whole = call(tmp_path / "whole")
    again = call(killed.path)
    assert same(whole, again)
    assert first == {rollout.text for rollout in rollouts(again) if rollout.step == 1}
    assert [line["step"] for line in again.metrics.lines()] == [1, 2, 3, 4, 5]
    assert not half.exists()


def test_more_steps_go_on_as_if_they_had_been_asked_for_at_once(
    tmp_path: Path, fresh_model: "Fresh", tokenizer: "PreTrainedTokenizerBase", rows: list[TrainingRow]
) -> None:
    def call(steps: int, name: str) -> RunFolder:
        settings = RLSettings(
            steps=steps, prompts=4, rollouts=2, max_tokens=5, micro_batch=4, learning_rate=3e-3, seed=9
        )
        return train(fresh_model(), tokenizer, rows, settings, tmp_path / name, reward=variety, save_every=3)

    call(2, "by and by")
    assert same(call(4, "by and by"), call(4, "at once"))
    before = (tmp_path / "by and by" / "final" / "model.safetensors").stat().st_mtime_ns
    call(4, "by and by")
    assert (tmp_path / "by and by" / "final" / "model.safetensors").stat().st_mtime_ns == before


def test_every_prompt_comes_once_before_any_comes_again(
    tmp_path: Path, fresh_model: "Fresh", tokenizer: "PreTrainedTokenizerBase", rows: list[TrainingRow]
) -> None:
    folder = train(fresh_model(), tokenizer, rows, SETTINGS, tmp_path / "run", reward=variety)
    kept = rollouts(folder)
    assert sorted(rollout.index for rollout in kept) == sorted([*range(16)] * 2)
    assert {rollout.index: (rollout.aggregation, rollout.c) for rollout in kept} == {
        row.index: (row.aggregation, row.c) for row in rows
    }
    assert all(rollout.entropy is not None and 0 < rollout.entropy < 4 for rollout in kept)
    assert all(rollout.tokens == 5 for rollout in kept if rollout.cut)
    assert 0 < sum(rollout.cut for rollout in kept) < len(kept)
    mean = [rollout.reward for rollout in kept if rollout.step == 2 and not rollout.aggregation]
    assert folder.metrics.lines()[1]["plain"]["reward"] == pytest.approx(sum(filter(None, mean)) / len(mean))


def test_rewards_are_selfaggs_own_scores(
    tmp_path: Path, fresh_model: "Fresh", tokenizer: "PreTrainedTokenizerBase", rows: list[TrainingRow]
) -> None:
    from selfagg.scoring import scorer_for

    settings = RLSettings(steps=2, prompts=8, rollouts=8, max_tokens=2, micro_batch=16, seed=4)
    folder = train(fresh_model(), tokenizer, rows, settings, tmp_path / "run")
    questions = {row.id: question_of(row) for row in rows}
    for rollout in rollouts(folder):
        if not rollout.cut:
            verdict = asyncio.run(scorer_for("text").score(questions[rollout.id], rollout.text))
            assert rollout.reward == verdict.score


@pytest.mark.parametrize("changed", [{"algorithm": "grpo"}, {"lora": 2}])
def test_other_ways_to_train_give_a_model_that_loads(
    tmp_path: Path,
    fresh_model: "Fresh",
    tokenizer: "PreTrainedTokenizerBase",
    rows: list[TrainingRow],
    changed: dict[str, Any],
) -> None:
    import torch

    from selfagg.models.transformers.checkpoints import load

    asked: dict[str, Any] = {"steps": 2, "prompts": 4, "rollouts": 2, "max_tokens": 5, "micro_batch": 4}
    settings = RLSettings(**(asked | {"learning_rate": 3e-3} | changed))
    base = fresh_model()
    before = {name: value.clone() for name, value in base.state_dict().items()}
    folder = train(base, tokenizer, rows, settings, tmp_path / "run", reward=variety)
    trained = load(str(folder.final), device="cpu").model.state_dict()
    assert any(not torch.equal(trained[name], before[name]) for name in trained)
    assert all(line["grad_norm"] > 0 for line in folder.metrics.lines())
    card = (folder.final / "README.md").read_text()
    assert f"- algorithm: {settings.algorithm}" in card
    assert "| 2 |" in card


def test_an_evaluation_keeps_its_records_and_changes_nothing(
    tmp_path: Path, fresh_model: "Fresh", tokenizer: "PreTrainedTokenizerBase", rows: list[TrainingRow]
) -> None:
    from selfagg.training.trainer import HeldOutEvaluation

    evaluation = HeldOutEvaluation(
        [question_of(row) for row in rows[:2]], 2, RSA(n=3, k=2, t=2), Sampling(max_tokens=5)
    )
    plain = train(fresh_model(), tokenizer, rows, SETTINGS, tmp_path / "plain", reward=variety)
    watched: list[dict[str, Any]] = []
    folder = train(
        fresh_model(),
        tokenizer,
        rows,
        SETTINGS,
        tmp_path / "run",
        reward=variety,
        evaluation=evaluation,
        callback=watched.append,
    )
    lines = folder.metrics.lines()
    assert watched == lines
    results = {line["step"]: line["evaluation"] for line in lines if "evaluation" in line}
    assert [*results] == [0, 2, 4]
    for step, result in results.items():
        assert [population["t"] for population in result["populations"]] == [1, 2]
        with Record(folder.evaluation(step), read_only=True) as record:
            assert record.query("SELECT count(*) FROM generations") == [(2 * 3 * 2,)]
    assert [line for line in numbers(folder) if "evaluation" not in line] == numbers(plain)
    assert "RSA on held-out problems" in (folder.final / "README.md").read_text()


def test_a_reward_that_raises_ends_in_a_sentence_and_loses_nothing(
    tmp_path: Path, fresh_model: "Fresh", tokenizer: "PreTrainedTokenizerBase", rows: list[TrainingRow]
) -> None:
    from selfagg.training.trainer import RewardFailed

    calls: list[int] = []

    def failing(prompts: Any, completions: Any, completion_ids: Any, **columns: Any) -> list[float]:
        calls.append(len(prompts))
        if len(calls) == 3:
            raise ValueError("the judge is out for lunch")
        return variety(prompts, completions, completion_ids)

    out = RunFolder(tmp_path / "run")
    with pytest.raises(RewardFailed, match="reward of step 3 failed with ValueError: the judge is out for lunch"):
        train(fresh_model(), tokenizer, rows, SETTINGS, out.path, reward=failing, save_every=0)
    assert [rollout.reward for rollout in rollouts(out) if rollout.step == 3] == [None] * 8
    assert out.last_checkpoint() == (out.checkpoints / "checkpoint-2", 2)
    again = train(fresh_model(), tokenizer, rows, SETTINGS, out.path, reward=failing, save_every=0)
    assert len(calls) == 5
    assert same(again, train(fresh_model(), tokenizer, rows, SETTINGS, tmp_path / "whole", reward=variety))


@pytest.mark.parametrize(
    ("prompts", "rollouts", "most", "parts"),
    [(256, 4, 8, (8, 128)), (4, 2, 3, (2, 4)), (2, 2, 8, (4, 1)), (5, 3, 8, (5, 3)), (13, 2, 8, (2, 13))],
)
def test_a_step_is_taken_in_the_largest_equal_parts_allowed(
    tmp_path: Path, prompts: int, rollouts: int, most: int, parts: tuple[int, int]
) -> None:
    settings = RLSettings(prompts=prompts, rollouts=rollouts, micro_batch=most)
    given = arguments(settings, RunFolder(tmp_path), 0)
    assert (given.per_device_train_batch_size, given.gradient_accumulation_steps) == parts


def test_what_cannot_work_is_said_in_one_sentence(
    tmp_path: Path, fresh_model: "Fresh", tokenizer: "PreTrainedTokenizerBase", rows: list[TrainingRow]
) -> None:
    model = fresh_model()

    def call(settings: RLSettings = SETTINGS, *, rows: list[TrainingRow] = rows, out: str = "new") -> None:
        train(model, tokenizer, rows, settings, tmp_path / out, reward=variety)

    with pytest.raises(
        UsageError, match="8 of 16 prompts do not fit: row 1 has 18 tokens, and a context of 256 leaves 10"
    ):
        call(RLSettings(max_tokens=246))
    with pytest.raises(UsageError, match="no rows"):
        call(rows=[])
    with pytest.raises(UsageError, match="rollouts = 1, but it is at least 2"):
        RLSettings(rollouts=1)
    with pytest.raises(UsageError, match="learning_rate = nan"):
        RLSettings(learning_rate=float("nan"))
    template, tokenizer.chat_template = tokenizer.chat_template, None
    try:
        with pytest.raises(UsageError, match="no chat template"):
            call()
    finally:
        tokenizer.chat_template = template
    RunFolder(tmp_path / "other").begin({"seed": 1}, may_differ={})
    with pytest.raises(UsageError, match="belongs to a training with other settings"):
        call(out="other")


def test_the_command_trains_and_says_what_it_cannot(
    tmp_path: Path, fresh_model: "Fresh", tokenizer: "PreTrainedTokenizerBase", rows: list[TrainingRow]
) -> None:
    from typer.testing import CliRunner

    from selfagg.cli import app
    from selfagg.models.transformers.checkpoints import save

    save(fresh_model(), tokenizer, tmp_path / "model")
    (tmp_path / "set").mkdir()
    write_rows(tmp_path / "set", "train", rows)
    write_rows(tmp_path / "set", "test", [row for row in rows[:4] if not row.aggregation])
    asked = ["train", "rl", "--model", str(tmp_path / "model"), "--data", str(tmp_path / "set")]
    asked += ["--out", str(tmp_path / "run"), "--steps", "2", "--prompts", "4", "--max-tokens", "5"]
    asked += ["--eval-every", "0", "-n", "2", "-k", "2", "-t", "2", "--json"]
    result = CliRunner().invoke(app, asked, catch_exceptions=False)
    told = json.loads(result.stdout)
    assert Path(told["final"], "model.safetensors").is_file()
    assert [(line["step"], "evaluation" in line) for line in told["metrics"]] == [
        (0, True),
        (1, False),
        (2, False),
        (2, True),
    ]
    assert "RSA: t=1" in result.stderr
    other = CliRunner().invoke(app, [*asked, "--lr", "0.5"])
    assert "learning_rate is 1e-06 there, 0.5 asked for" in str(other.exception)
    missing = CliRunner().invoke(app, [*asked[:5], str(tmp_path / "nowhere"), *asked[6:]])
    assert isinstance(missing.exception, UsageError)
    assert "holds no training set" in str(missing.exception)
