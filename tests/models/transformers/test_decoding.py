"""The choice of tokens, and rows that are written together, by a tiny model on the CPU."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import tiny_model, tiny_tokenizer
from transformers import MambaConfig, MambaForCausalLM

from selfagg.errors import UsageError
from selfagg.models.transformers import decoding
from selfagg.models.transformers.decoding import (
    Choice,
    Decoding,
    DecodingRow,
    Outcome,
    Queue,
    cache_room,
    draw,
    end_tokens,
    require_batchable,
)

SHARES = (0.5, 0.25, 0.125, 0.0625, 0.0625)
LOGITS = torch.tensor([SHARES]).log()


def drawn(number: float, **choice: float) -> int:
    return int(draw(LOGITS, [Choice(**choice)], [number]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("number", "token"), [(0.0, 0), (0.49, 0), (0.51, 1), (0.74, 1), (0.76, 2), (0.88, 3), (0.94, 4), (1 - 1e-12, 4)]
)
def test_the_token_at_which_the_summed_probabilities_pass_the_number(number: float, token: int) -> None:
    assert drawn(number) == token


@pytest.mark.parametrize(
    ("choice", "tokens"),
    [
        ({"temperature": 0.0}, [0]),
        ({"top_k": 1}, [0]),
        ({"top_k": 2}, [0, 1]),
        ({"top_p": 0.4}, [0]),
        ({"top_p": 0.6}, [0, 1]),
        ({"top_p": 0.8}, [0, 1, 2]),
        ({"min_p": 1.0}, [0]),
        ({"min_p": 0.2}, [0, 1, 2]),
        ({"min_p": 0.2, "top_k": 2}, [0, 1]),
        ({"top_p": 0.0, "min_p": 2.0}, [0]),
    ],
)
def test_what_a_cut_leaves(choice: dict[str, float], tokens: list[int]) -> None:
    assert sorted({drawn(number / 97, **choice) for number in range(97)}) == tokens


def test_a_temperature_sharpens_and_flattens() -> None:
    cold = [drawn(number / 97, temperature=0.5) for number in range(97)]
    hot = [drawn(number / 97, temperature=4.0) for number in range(97)]
    shares = torch.tensor(SHARES) ** 2
    assert abs(cold.count(0) - 97 * float(shares[0] / shares.sum())) < 1.5
    assert hot.count(4) > 10 > cold.count(4)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.lists(st.floats(-20, 20, width=32), min_size=7, max_size=7),
            st.floats(0, 1, exclude_max=True),
            st.sampled_from([0.0, 0.3, 1.0, 3.0]),
            st.sampled_from([0.1, 0.9, 1.0]),
            st.integers(0, 4),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_a_row_is_drawn_alike_alone_and_beside_others(rows: list[tuple[list[float], float, float, float, int]]) -> None:
    choices = [Choice(temperature, top_p, top_k) for _, _, temperature, top_p, top_k in rows]
    numbers = [number for _, number, *_ in rows]
    together = draw(torch.tensor([row[0] for row in rows]), choices, numbers).tolist()
    alone = [drawn_alone(row[0], choice, row[1]) for row, choice in zip(rows, choices, strict=True)]
    assert together == alone


def drawn_alone(logits: list[float], choice: Choice, number: float) -> int:
    return int(draw(torch.tensor([logits]), [choice], [number]))


def row(text: str, limit: int = 12, *, seed: int = 1, stops: tuple[str, ...] = ()) -> DecodingRow:
    prompt = tiny_tokenizer()(text)["input_ids"]
    return DecodingRow(prompt, limit, Choice(), random.Random(seed), stops)


def batch(ends: frozenset[int] = frozenset({1})) -> Decoding:
    return Decoding(tiny_model(), tiny_tokenizer().decode, ends)  # type: ignore[arg-type]


def written(rows: Sequence[DecodingRow], *, most: int = 99, room: int = 10**6) -> list[Outcome]:
    outcomes: list[Outcome] = []
    queue = Queue(batch(), most=most, room=room)
    queue.arrived.extend(rows)
    queue.run(outcomes.extend)
    return outcomes


def test_rows_that_join_later_write_what_they_write_alone() -> None:
    texts = ["one", "a much longer prompt than the others", "?"]
    for lone in (alone := [row(text, 30) for text in texts]):
        written([lone])
    together, running = [row(text, 30) for text in texts], batch()
    done = running.join(together[:1])
    for late in together[1:]:
        done += running.step() + running.join([late])
    while running.rows:
        done += running.step()
    assert [one.tokens for one in together] == [one.tokens for one in alone]
    assert {id(one) for one in done} == {id(one) for one in together}


def test_rows_that_were_dropped_go_on_where_they_were() -> None:
    whole, broken, running = row("hello", 20), row("hello", 20), batch()
    written([whole])
    running.join([broken])
    running.step()
    assert running.clear() == [broken]
    assert (running.rows, len(broken.tokens)) == ([], 2)
    written([broken])
    assert broken.tokens == whole.tokens


def test_what_ends_a_row() -> None:
    free, limited = row("hello", 40, seed=4), row("hello", 5, seed=4)
    written([free, limited])
    assert (len(limited.tokens), limited.ended, limited.done) == (5, False, True)
    text = str(tiny_tokenizer().decode(free.tokens))
    stopped = row("hello", 40, seed=4, stops=("never there", text[8:11]))
    written([stopped])
    assert stopped.ended
    assert free.tokens[: len(stopped.tokens)] == stopped.tokens
    assert str(tiny_tokenizer().decode(stopped.tokens)).endswith(text[8:11])
    ends = frozenset({free.tokens[3]})
    ended, running = row("hello", 40, seed=4), batch(ends)
    running.join([ended])
    while running.rows:
        running.step()
    assert ended.tokens == free.tokens[: free.tokens.index(free.tokens[3]) + 1]
    assert ended.ended


@pytest.mark.parametrize(
    ("limits", "most", "room", "sizes"),
    [
        ([10] * 5, 2, 10**6, [2, 2, 1]),
        ([10] * 5, 99, 33, [3, 2]),  # rows of 11 tokens
        ([10] * 5, 99, 1, [1] * 5),  # a row that is too long for the room is written alone
        ([10, 90, 11, 89], 2, 10**6, [2, 2]),  # those alike in length together
    ],
)
def test_who_is_written_together(
    limits: list[int], most: int, room: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    joined: list[list[int]] = []

    class Noted(Decoding):
        def join(self, rows: Sequence[DecodingRow]) -> list[DecodingRow]:
            joined.append([one.limit for one in rows])
            for one in rows:
                one.cancelled = True  # nobody waits for what would be written
            return super().join(rows)

    queue = Queue(Noted(tiny_model(), str, frozenset({1})), most=most, room=room)
    queue.arrived.extend(row("x", limit) for limit in limits)
    queue.run(lambda outcomes: None)
    assert [len(rows) for rows in joined] == sizes
    if 90 in limits:
        assert sorted(map(sorted, joined)) == [[10, 11], [89, 90]]


def test_those_who_gave_up_are_not_written() -> None:
    gone, there = row("gone"), row("there")
    gone.cancelled = True
    assert written([gone, there]) == [(there, None)]
    assert not gone.tokens


def test_prompts_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_PREFILL", 20)
    sizes: list[tuple[int, ...]] = []
    model = tiny_model()
    model.register_forward_pre_hook(
        lambda _, args, kwargs: sizes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    queue = Queue(Decoding(model, str, frozenset({1})), most=99, room=10**6)
    queue.arrived.extend(row("12345678", 2, seed=seed) for seed in range(4))
    queue.run(lambda outcomes: None)
    assert [size for size in sizes if size[1] > 1] == [(2, 8), (2, 8)]


def test_out_of_memory_halves_the_room_and_other_failures_end_the_rows() -> None:
    running, rows = batch(), [row("x", 9) for _ in range(4)]
    queue = Queue(running, most=99, room=10**6)
    assert queue._failed(torch.OutOfMemoryError("no"), rows) == []
    assert (queue._room, queue._waiting) == (4 * 10 // 2, rows)
    assert queue._failed(RuntimeError("DefaultCPUAllocator: can't allocate memory"), rows) == []
    assert queue._room == 10
    alone, other = MemoryError(), ValueError("no number")
    assert queue._failed(alone, rows[:1]) == [(rows[0], alone)]
    assert queue._failed(other, rows) == [(one, other) for one in rows]


def test_end_tokens_of_settings_and_tokenizer() -> None:
    model, tokenizer = tiny_model(), tiny_tokenizer()
    assert model.generation_config is not None
    for said, ends in ((None, {1}), (7, {1, 7}), ([7, 8], {1, 7, 8})):
        model.generation_config.eos_token_id = said
        assert end_tokens(model, tokenizer) == ends


def test_the_room_for_a_cache_follows_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "memory", lambda: 2**20)
    token = 2 * 2 * 1 * 16 * 4  # keys and values, layers, heads, width, bytes of a float
    assert cache_room(tiny_model()) == 2**20 // 4 // token
    monkeypatch.setattr(decoding, "memory", lambda: 0)
    assert cache_room(tiny_model()) == 1


def test_a_model_of_another_kind_of_memory_is_refused() -> None:
    require_batchable(tiny_model(), "tiny")
    mamba = MambaForCausalLM(MambaConfig(vocab_size=261, hidden_size=16, num_hidden_layers=1))
    with pytest.raises(UsageError, match=r"^m is of a kind \(mamba\) that cannot be batched here; vLLM may serve it"):
        require_batchable(mamba, "m")
