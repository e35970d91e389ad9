"""The fit of a prompt into a context, at its edges."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from selfagg.errors import TooLong
from selfagg.models.base import text_bytes
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.prompts import aggregation, first
from selfagg.prompts.fit import LEAST_REPLY, Fitted, fit, reply_room
from selfagg.prompts.prompt import CUT, candidate_format_named
from selfagg.types import Member, Message, Question, Reply

QUESTION = Question("q", "What is 6 * 7? " * 20, "math", gold="42")
VIEW = candidate_format_named("response")


class Counting(SimulatedModel):
    """A simulated model that counts how often it is asked to count."""

    counted = 0

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        self.counted += 1
        return await super().count_tokens(messages)


def candidates(*lengths: int) -> list[Member]:
    return [Member(1, i, reply=Reply("x" * length)) for i, length in enumerate(lengths)]


async def tokens(messages: Sequence[Message]) -> int:
    return await SimulatedModel(Simulation()).count_tokens(messages)


@pytest.mark.parametrize(("spare", "cut"), [(0, 0), (-1, 2)])
async def test_candidates_are_cut_one_token_past_the_context_and_not_before(spare: int, cut: int) -> None:
    prompt = aggregation(QUESTION, candidates(4000, 4000))
    whole = prompt.messages(["x" * 4000] * 2)
    fitted = await fit(prompt, VIEW, Counting(Simulation()), 300, await tokens(whole) + 300 + spare)
    assert (fitted.cut, fitted.max_tokens) == (cut, 300)
    assert (fitted.messages == whole) is (cut == 0)


@pytest.mark.parametrize(("spare", "counted"), [(0, 0), (-1, 1)])
async def test_what_fits_even_a_byte_a_token_is_not_counted(spare: int, counted: int) -> None:
    prompt, model = first(QUESTION), Counting(Simulation())
    context = text_bytes(prompt.messages([])) + 64 + 100 + spare
    assert await fit(prompt, VIEW, model, 100, context) == Fitted(prompt.messages([]), 100)
    assert model.counted == counted


async def test_without_a_context_nothing_is_cut() -> None:
    prompt, model = aggregation(QUESTION, candidates(10**6, 10)), Counting(Simulation())
    fitted = await fit(prompt, VIEW, model, 100, None)
    assert (fitted.cut, fitted.max_tokens, model.counted) == (0, 100, 0)
    assert fitted.messages == prompt.messages(["x" * 10**6, "x" * 10])


@pytest.mark.parametrize(("spare", "fits"), [(0, True), (-1, False)])
async def test_a_question_alone_gets_what_room_there_is_down_to_the_least(spare: int, fits: bool) -> None:
    prompt = first(QUESTION)
    needed = await tokens(prompt.messages([]))
    context = needed + LEAST_REPLY + spare
    if fits:
        assert (await fit(prompt, VIEW, Counting(Simulation()), 500, context)).max_tokens == LEAST_REPLY
    else:
        told = f"question q: its prompt takes {needed} tokens, and a context of {context} tokens leaves no room"
        with pytest.raises(TooLong, match=told):
            await fit(prompt, VIEW, Counting(Simulation()), 500, context)


async def test_of_what_a_long_question_leaves_half_is_for_the_candidates() -> None:
    prompt = aggregation(QUESTION, candidates(9000, 9000))
    bare = await tokens(prompt.messages([CUT, CUT]))
    fitted = await fit(prompt, VIEW, Counting(Simulation()), 8192, bare + 600)
    assert fitted.max_tokens == 300
    assert fitted.cut == 2
    assert 590 <= await tokens(fitted.messages) - bare + 300 <= 600  # cut no more than it must be


async def test_candidates_that_need_less_than_their_half_stay_whole_however_long_a_reply_is_asked_for() -> None:
    prompt = aggregation(QUESTION, candidates(40, 60))
    whole = prompt.messages(["x" * 40, "x" * 60])
    for asked in (10**6, 2000):
        fitted = await fit(prompt, VIEW, Counting(Simulation()), asked, await tokens(whole) + 1000)
        assert fitted == Fitted(whole, 1000)


async def test_short_candidates_stay_whole_where_long_ones_are_cut() -> None:
    prompt = aggregation(QUESTION, candidates(40, 9000, 60))
    fitted = await fit(prompt, VIEW, Counting(Simulation()), 100, await tokens(prompt.messages(["", "", ""])) + 500)
    content = fitted.messages[-1]["content"]
    assert fitted.cut == content.count(CUT) == 1
    assert f"\n{'x' * 40}\n" in content
    assert f"\n{'x' * 60}\n" in content


@pytest.mark.parametrize(
    ("asked", "context", "room"),
    [(None, 3, 1), (None, 4 * 8192, 8192), (None, 4 * 8192 - 4, 8191), (1, None, 1), (9000, None, 9000)],
)
def test_room_for_a_reply(asked: int | None, context: int | None, room: int) -> None:
    assert reply_room(asked, context) == room


def test_a_cut_is_marked_as_the_docs_say() -> None:
    assert CUT == "[... cut ...] "
