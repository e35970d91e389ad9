from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selfagg.training.trainer import by_length, in_parts, narrowed

lengths = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 5)), min_size=4, max_size=4)


def padded(rows: list[tuple[int, int]]) -> dict[str, Any]:
    """Prompts padded to 8 on the left, responses to 7 on the right; ids tell rows apart."""
    prompt_mask = torch.tensor([[0] * (8 - prompt) + [1] * prompt for prompt, _ in rows])
    completion_mask = torch.tensor([[1] * response + [0] * (7 - response) for _, response in rows])
    numbers = torch.arange(1, len(rows) + 1)[:, None]
    return {
        "prompt_ids": prompt_mask * numbers,
        "prompt_mask": prompt_mask,
        "completion_ids": completion_mask * numbers,
        "completion_mask": completion_mask,
        "advantages": numbers[:, 0],
        "reference": None,
    }


@given(st.lists(lengths, min_size=1, max_size=3))
@settings(max_examples=50, deadline=None)
def test_sorting_keeps_every_row_whole_and_orders_them_by_length(steps: list[list[tuple[int, int]]]) -> None:
    batches = [padded(rows) for rows in steps]
    for place, batch in enumerate(batches):
        for name in ("prompt_ids", "completion_ids", "advantages"):
            batch[name] = batch[name] + (batch[name] > 0) * 10 * place
    result = by_length(batches)
    assert [len(batch["advantages"]) for batch in result] == [4] * len(batches)
    found = [
        (set(row.tolist()) - {0}, int(number))
        for batch in result
        for row, number in zip(batch["prompt_ids"], batch["advantages"], strict=True)
    ]
    assert all(ids == {number} for ids, number in found)
    assert sorted(number for _, number in found) == sorted(int(n) for batch in batches for n in batch["advantages"])
    totals = [int(total) for batch in result for total in batch["prompt_mask"].sum(1) + batch["completion_mask"].sum(1)]
    assert totals == sorted(totals)
    assert result[0]["reference"] is None


@given(lengths)
@settings(max_examples=50, deadline=None)
def test_narrowing_takes_padding_alone(rows: list[tuple[int, int]]) -> None:
    batch = padded(rows)
    result = narrowed(batch, response=True)
    assert result["prompt_ids"].shape[1] == max(prompt for prompt, _ in rows)
    assert result["completion_ids"].shape[1] == max(response for _, response in rows)
    for name in ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask"):
        assert result[name].sum() == batch[name].sum()
    assert narrowed(batch, response=False)["completion_ids"].shape[1] == 7


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 5))
def test_parts_give_results_in_the_prompts_order(lengths: list[int], at_once: int) -> None:
    prompts = [[place] * length for place, length in enumerate(lengths)]
    calls: list[int] = []

    def sample(part: list[list[int]]) -> list[int]:
        calls.append(len(part))
        assert [len(prompt) for prompt in part] == sorted(len(prompt) for prompt in part)
        return [prompt[0] for prompt in part]

    assert in_parts(prompts, at_once, sample) == [*range(len(prompts))]
    assert max(calls) <= at_once
