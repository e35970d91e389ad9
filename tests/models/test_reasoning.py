from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.models.reasoning import Thinking, split_reasoning
from selfagg.types import Delta

TAGS = ("<think>", "</think>")
FINAL = "<|end|><|start|>assistant<|channel|>final<|message|>"
plain = st.text(alphabet=st.characters(exclude_characters="<>"), max_size=30)
pieces = (
    "<think>",
    "</think>",
    "[THINK]",
    "[/THINK]",
    "<thinking>",
    "`<think>`",
    " the <think> tag",
    "</",
    "<thi",
    "a",
)
more_pieces = (
    "analysisSo",
    "assistantfinal",
    "<|channel|>analysis<|message|>",
    FINAL,
    "\n",
    " ",
    "x < y",
    "◁think▷",
    ". ",
)
mixed = st.lists(st.sampled_from(pieces + more_pieces), max_size=20).map("".join)


@pytest.mark.parametrize(
    ("text", "reasoning", "response"),
    [
        ("no tags ", "", "no tags "),
        ("", "", ""),
        ("<think>a</think>b", "a", "b"),
        ("<think>\na\n</think>\n\nb", "a", "b"),
        ("<think>\n\n</think>\n\nb", "", "b"),
        ("<think>cut in the mid", "cut in the mid", ""),
        ("opened in the prompt</think>b", "opened in the prompt", "b"),
        ("so far. </think> The answer is b", "so far.", "The answer is b"),
        ("<think>a</think>b<think>c</think>d", "a\n\nc", "bd"),
        ("b <think>a", "a", "b"),
        ("<think>a<think>b</think>c</think>d", "a\n\nb\n\nc", "d"),
        ("<think>a</think>b</think>", "a", "b"),
        ("<think>a </think> the rest", "a", "the rest"),
        ("<think>a</think > b", "a", "b"),
        ("<THINK>a</Think>b", "a", "b"),
        ("[THINK]a[/THINK]b", "a", "b"),
        ("[THINK]cut", "cut", ""),
        ("<thinking>cut", "cut", ""),
        ("<thought>\na\n</thought>\nb", "a", "b"),
        ("<reasoning>\na\n</reasoning>\n<answer>b</answer>", "a", "<answer>b</answer>"),
        ("<seed:think>a</seed:think>b", "a", "b"),
        ("◁think▷a◁/think▷b", "a", "b"),
        ("<|begin_of_thought|>a<|end_of_thought|><|begin_of_solution|>b<|end_of_solution|>", "a", "b"),
        ("<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>b<|END_RESPONSE|>", "a", "b"),
        (f"<|channel|>analysis<|message|>a{FINAL}b<|return|>", "a", "b"),
        ("<|channel|>analysis<|message|>cut", "cut", ""),
        ("<|channel|>commentary to=functions.x<|message|>a<|end|><|channel|>final<|message|>b", "a", "b"),
        ("analysisWe see aassistantfinalb", "We see a", "b"),
        ("analysisWe were cut", "We were cut", ""),
        ("<think>assistantfinal</think>b", "assistantfinal", "b"),
    ],
)
def test_splits(text: str, reasoning: str, response: str) -> None:
    assert split_reasoning(text) == (reasoning, response)


@pytest.mark.parametrize(
    "text",
    [
        "The tag `<think>` is odd. 5",
        "In code we write <think> for thinking. The answer: 5",
        "I think between <think> and </think> tags. So 5",
        "<think> and </think> are tags. So 5",
        "<think> is a tag that I use. So 5",
        "**<think>** opens it. 5",
        "The (<think>) tag: 5",
        "5. I ended the reasoning with </think> as usual.",
        "5. `</think>` ended the reasoning.",
        "analysis of this: 5",
        "x < y, [a, b] and a<b>c",
    ],
)
def test_a_tag_that_is_only_named_is_text(text: str) -> None:
    assert split_reasoning(text) == ("", text)


def test_a_tag_named_within_reasoning_does_not_end_it() -> None:
    assert split_reasoning("<think>I end by `</think>` later</think>5") == ("I end by `</think>` later", "5")


@given(st.lists(st.one_of(plain, st.sampled_from(TAGS)), max_size=20).map("".join))
def test_loses_nothing_but_tags_and_white_space(text: str) -> None:
    def bare(text: str) -> list[str]:
        return sorted("".join(text.replace(TAGS[0], "").replace(TAGS[1], "").split()))

    assert bare("".join(split_reasoning(text))) == bare(text)


@given(plain, plain)
def test_one_section_round_trips(reasoning: str, response: str) -> None:
    expected = (reasoning.strip(), response.strip())
    assert split_reasoning(f"<think>\n{reasoning}\n</think>\n{response}") == expected


@given(mixed, st.lists(st.integers(1, 9), max_size=60))
def test_the_stream_shows_what_the_whole_is_split_into(text: str, cuts: list[int]) -> None:
    """But for a closing tag that comes late: what was shown stays shown."""
    deltas, whole = streamed(text, cuts), split_reasoning(text)
    assert streamed(text, [len(text)]) == merged(deltas)
    shown = "".join(delta.reasoning + delta.text for delta in deltas)
    assert sorted("".join(shown.split())) == sorted("".join("".join(whole).split()))


def streamed(text: str, cuts: list[int]) -> list[Delta]:
    thinking, at = Thinking(), 0
    deltas: list[Delta] = []
    for cut in [*cuts, len(text)]:
        deltas += thinking.feed(text[at : at + cut])
        at += cut
    return merged([*deltas, *thinking.rest()])


def merged(deltas: list[Delta]) -> list[Delta]:
    """Join neighbours of one sort."""
    joined: list[Delta] = []
    for delta in deltas:
        if joined and bool(joined[-1].text) == bool(delta.text):
            last = joined.pop()
            joined.append(Delta(last.text + delta.text, last.reasoning + delta.reasoning))
        else:
            joined.append(delta)
    return joined


def test_a_long_reply_of_tags_alone() -> None:
    assert split_reasoning("<think>" * 50_000 + "</think>" * 50_000) == ("", "")


@pytest.mark.parametrize(("pieces", "text"), [([" "] * 3 + ["a"], "   a"), (["\n", " <think>", "r</think>\n b"], "b")])
def test_space_before_the_first_word_is_kept_until_it_is_known_what_it_is(pieces: list[str], text: str) -> None:
    thinking = Thinking()
    deltas = [delta for piece in pieces for delta in thinking.feed(piece)] + list(thinking.rest())
    assert "".join(delta.text for delta in deltas) == text
    only = Thinking()
    assert not list(only.feed("  "))
    assert [delta.text for delta in only.rest()] == ["  "]


@pytest.mark.parametrize(
    ("piece", "shown"),
    [
        ("<think>\nab", [Delta(reasoning="\nab")]),  # a line after a tag: it is none that the text only names
        ("<think>ab", []),
        ("some words", [Delta(text="some words")]),
        ("some <thi", [Delta(text="some ")]),
        ("  ", []),
    ],
)
def test_what_is_certain_is_shown_at_once(piece: str, shown: list[Delta]) -> None:
    assert list(Thinking().feed(piece)) == shown


def test_space_before_a_response_is_shown_where_there_was_no_reasoning() -> None:
    assert streamed(" \n a b", [1, 1]) == [Delta(text=" \n a b")]
    assert streamed("<think>r</think> \n a b", [1, 1]) == [Delta(reasoning="r"), Delta(text="a b")]
    assert streamed("<think>r</think> ", []) == [Delta(reasoning="r")]
    assert streamed(" ", []) == [Delta(text=" ")]
