"""The trainer, for two steps, and the files it writes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from examples.rows.lessons import SHORT, Mix, lesson  # noqa: E402
from examples.rows.tiny import make_model, make_tokenizer  # noqa: E402
from examples.rows.tokens import batch, encoded  # noqa: E402
from examples.rows.training import Plan, train  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread: two wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trained(checkpoint: Path, told: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    tokenizer = make_tokenizer()
    model = make_model(tokenizer, 0)
    plan = Plan(12, 2, 1e-2, 7, SHORT, warm=1, save_every=3)
    train(model, tokenizer, plan, checkpoint, told)
    return model.state_dict()


def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "stopped", stop)
    assert torch.load(tmp_path / "stopped")["step"] == 9
    gone_on, whole = trained(tmp_path / "stopped"), trained(tmp_path / "whole")
    untrained = make_model(make_tokenizer(), 0).state_dict()
    for name, weight in whole.items():
        assert torch.equal(gone_on[name], weight), name
        assert not torch.equal(untrained[name], weight), name


def test_what_is_learnt_of_a_lesson() -> None:
    tokenizer = make_tokenizer()
    told = lesson(random.Random(0), Mix(candidates=(0, 0, 1, 0), judging=0.0), SHORT)
    some, all_of_it = encoded(told, tokenizer), encoded(told, tokenizer, whole=True)
    response = tokenizer(told.response)["input_ids"]
    assert some.weights[-len(response) - 1 :] == [1.0] * (len(response) + 1)
    assert some.ids[-1] == tokenizer.eos_token_id
    learnt = [tokenizer.decode([token]) for token, weight in zip(some.ids, some.weights, strict=True) if weight == 0.5]
    assert set(learnt) <= {" good ", " bad ", "\n", "-", *map(str, range(28))}
    assert sum(weight == 0.5 for weight in all_of_it.weights) > 3 * len(learnt)


def test_batches_follow_from_seed_and_step() -> None:
    tokenizer = make_tokenizer()

    def draw(step: int, seed: int) -> list[list[int]]:
        lessons = batch(step, 2, seed, lambda drawn: encoded(lesson(drawn, Mix(), SHORT), tokenizer))
        return [one.ids for one in lessons]

    assert draw(9, 1) == draw(9, 1) != draw(9, 2)
    assert len({tuple(ids) for step in range(16) for ids in draw(step, 1)}) == 32
