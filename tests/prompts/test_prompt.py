import dataclasses
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfagg.errors import UsageError
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.prompts import aggregation, first, verification
from selfagg.prompts.fit import LEAST_REPLY, fit, reply_room
from selfagg.prompts.prompt import CUT, candidate_format_named, shorten
from selfagg.types import Example, Kind, Member, Question, Reply

QUESTION = Question("q", "What is 6 * 7?", "math", gold="42")


def member(i: int, text: str, reasoning: str = "", answer: str | None = None) -> Member:
    return Member(1, i, reply=Reply(text, reasoning), answer=answer)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_question_stands_before_the_candidates_and_the_answer_format_at_the_end(kind: Kind) -> None:
    question = dataclasses.replace(QUESTION, kind=kind, gold="A")
    (message,) = aggregation(question, [member(0, "first try"), member(3, "second try")]).messages(["one", "two"])
    content = message["content"]
    assert content.index(question.text) < content.index("[Candidate 1]\none") < content.index("[Candidate 2]\ntwo")
    last = content.splitlines()[-1]
    mark = {"math": "\\boxed{}", "choice": "\\boxed{}", "code": "```python"}.get(kind, "<answer>")
    assert mark in last
    assert mark in first(question).messages([])[-1]["content"]


def test_aggregations_of_a_question_begin_alike_up_to_the_candidates() -> None:
    a, b = (aggregation(QUESTION, [member(i, "x"), member(1, "y")]).messages([t, "y"]) for i, t in ((0, "x"), (2, "z")))
    start = a[-1]["content"].index("[Candidate 1]")
    assert a[-1]["content"][:start] == b[-1]["content"][:start]


def test_one_candidate_gets_the_refine_wording() -> None:
    content = aggregation(QUESTION, [member(0, "x")]).messages(["x = 41"])[-1]["content"]
    assert "Candidate 1" not in content
    assert "a candidate solution, which may be wrong" in content
    assert "x = 41" in content


def test_a_question_that_says_its_format_is_shown_as_it_is() -> None:
    question = dataclasses.replace(QUESTION, text="6 * 7? Answer in \\boxed{}.", instruction="")
    assert first(question).messages([])[-1]["content"] == question.text


def test_free_text_without_gold_asks_for_no_format() -> None:
    question = Question("q", "Write a limerick.")
    assert first(question).messages([])[-1]["content"] == "Write a limerick."
    assert "<answer>" not in aggregation(question, [member(0, "a"), member(1, "b")]).messages(["a", "b"])[-1]["content"]


def test_context_comes_first_and_failed_candidates_are_left_out() -> None:
    question = dataclasses.replace(QUESTION, context=({"role": "system", "content": "Be brief."},))
    prompt = aggregation(question, [member(0, "a"), Member(1, 1, error="gone"), member(2, "c")])
    assert [candidate.i for candidate in prompt.shown] == [0, 2]
    messages = prompt.messages(["a", "c"])
    assert messages[0] == {"role": "system", "content": "Be brief."}
    assert "2 candidate" in messages[-1]["content"]


def test_examples_are_asked_as_the_question_is_and_one_of_their_candidates_is_wrong() -> None:
    examples = (Example("1 + 1?", "Two: \\boxed{2}", "\\boxed{9}"), Example("2 + 2?", "\\boxed{4}", "\\boxed{7}"))
    system = {"role": "system", "content": "Be brief."}
    question = dataclasses.replace(QUESTION, context=(system,), examples=examples)
    plain = first(question).messages([])
    assert [message["role"] for message in plain] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert plain[1]["content"].splitlines()[-1] == plain[-1]["content"].splitlines()[-1]
    assert plain[2]["content"] == "Two: \\boxed{2}"
    shown = aggregation(question, [member(0, "a"), member(1, "b")]).messages(["a", "b"])
    assert shown[0] == system
    assert shown[1]["content"].startswith(shown[-1]["content"].split("Problem:")[0])
    assert "[Candidate 1]\n\\boxed{9}\n\n[Candidate 2]\nTwo: \\boxed{2}" in shown[1]["content"]
    assert "[Candidate 1]\n\\boxed{4}\n\n[Candidate 2]\n\\boxed{7}" in shown[3]["content"]
    assert shown[4]["content"] == "\\boxed{4}"


def test_the_papers_verification_setting() -> None:
    prompt = verification(QUESTION, member(0, "x"))
    assert (prompt.temperature, prompt.max_tokens) == (0.1, 10)


def test_views() -> None:
    thought = member(0, "So \\boxed{42}.", "Let me think.", "42")
    assert candidate_format_named("response")(thought) == "So \\boxed{42}."
    assert candidate_format_named("reasoning")(thought) == "Let me think.\n\nSo \\boxed{42}."
    assert candidate_format_named("answer")(thought) == "42"
    assert candidate_format_named("answer")(member(0, "no idea")) == "(no final answer)"
    assert candidate_format_named("tail:1")(thought) == CUT + "42}."[-4:]
    assert candidate_format_named("response")(member(0, "", "cut while thinking")) == "cut while thinking"
    assert candidate_format_named("response")(member(0, " ")) == "(empty)"


@pytest.mark.parametrize("name", ["", "tail", "tail:0", "tail:-3", "tail:x", "whole", "tail:9999999999"])
def test_unknown_views_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="candidate view"):
        candidate_format_named(name)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 3000), min_size=1, max_size=6),
    context=st.integers(500, 2500),
    max_tokens=st.integers(1, 2500),
)
async def test_a_fitted_prompt_fits_and_cuts_evenly_from_the_front(
    lengths: list[int], context: int, max_tokens: int
) -> None:
    model = SimulatedModel(Simulation())
    texts = [f"{'x' * length}end{i}" for i, length in enumerate(lengths)]
    prompt = aggregation(QUESTION, [member(i, text) for i, text in enumerate(texts)])
    fitted = await fit(prompt, candidate_format_named("response"), model, max_tokens, context)
    content = fitted.messages[-1]["content"]
    assert await model.count_tokens(fitted.messages) + fitted.max_tokens <= context
    assert 0 < fitted.max_tokens <= max_tokens
    assert fitted.cut == content.count(CUT)
    assert fitted.max_tokens == max_tokens or fitted.cut == len([t for t in texts if t not in content])
    if fitted.cut < len(texts):  # whoever is whole is no longer than what is left of the cut ones
        whole = max(len(text) for text in texts if f"\n{text}\n" in f"{content}\n")
        assert all(len(part.split("\n")[0]) + 16 >= whole for part in content.split(CUT)[1:])


async def test_prompts_that_fit_are_not_counted() -> None:
    class Uncountable(SimulatedModel):
        async def count_tokens(self, messages: object) -> int:
            raise AssertionError("counted")

    fitted = await fit(first(QUESTION), candidate_format_named("response"), Uncountable(Simulation()), 100, 1000)
    assert (fitted.max_tokens, fitted.cut) == (100, 0)


async def test_a_question_that_leaves_no_room_is_named() -> None:
    long = dataclasses.replace(QUESTION, id="long one", text="word " * 1000)
    with pytest.raises(UsageError, match="question long one: its prompt takes"):
        await fit(
            first(long), candidate_format_named("response"), SimulatedModel(Simulation()), 100, 1250 + LEAST_REPLY
        )


@pytest.mark.parametrize(
    ("asked", "context", "room"), [(None, None, 8192), (None, 4096, 1024), (None, 10**6, 8192), (77, 100, 77)]
)
def test_room_for_a_reply(asked: int | None, context: int | None, room: int) -> None:
    assert reply_room(asked, context) == room


@given(st.text(max_size=50), st.integers(0, 60))
def test_shortening_keeps_the_end(text: str, length: int) -> None:
    kept = shorten(text, length)
    assert kept == text if len(text) <= length else kept == CUT + text[len(text) - length :]
