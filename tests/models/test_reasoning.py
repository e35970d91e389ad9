from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.models.reasoning import split_reasoning

TAGS = ("<think>", "</think>")
plain = st.text(alphabet=st.characters(exclude_characters="<>"), max_size=30)


@pytest.mark.parametrize(
    ("text", "reasoning", "rest"),
    [
        ("no tags ", "", "no tags "),
        ("", "", ""),
        ("<think>a</think>b", "a", "b"),
        ("<think>\na\n</think>\n\nb", "a", "b"),
        ("<think>\n\n</think>\n\nb", "", "b"),
        ("<think>cut in the mid", "cut in the mid", ""),
        ("opened in the prompt</think>b", "opened in the prompt", "b"),
        ("<think>a</think>b<think>c</think>d", "a\n\nc", "bd"),
        ("b <think>a", "a", "b"),
        ("<think>a<think>b</think>c</think>d", "a\n\nb\n\nc", "d"),
        ("<thinking>x</thinking>", "", "<thinking>x</thinking>"),
    ],
)
def test_splits(text: str, reasoning: str, rest: str) -> None:
    assert split_reasoning(text) == (reasoning, rest)


@given(st.lists(st.one_of(plain, st.sampled_from(TAGS)), max_size=20).map("".join))
def test_loses_nothing_but_tags_and_white_space(text: str) -> None:
    reasoning, rest = split_reasoning(text)
    assert not any(tag in part for tag in TAGS for part in (reasoning, rest))
    bare = "".join(text.replace(TAGS[0], "").replace(TAGS[1], "").split())
    assert sorted("".join((reasoning + rest).split())) == sorted(bare)


@given(plain, plain)
def test_one_section_round_trips(reasoning: str, rest: str) -> None:
    assert split_reasoning(f"<think>{reasoning}</think>{rest}") == (reasoning.strip(), rest.strip())


@given(st.lists(st.one_of(plain, st.sampled_from(TAGS)), max_size=20).map("".join))
def test_the_rest_has_no_reasoning_left(text: str) -> None:
    _, rest = split_reasoning(text)
    assert split_reasoning(rest) == ("", rest)


def test_a_long_reply_of_tags_alone() -> None:
    assert split_reasoning("<think>" * 200_000 + "</think>" * 200_000) == ("", "")
