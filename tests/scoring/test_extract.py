"""Reading answers off responses: the last one, never an exception, time linear in the length."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.scoring.extract import choice_letter, last_answer_tag, last_box

PARTS = [r"\boxed{", r"\boxed {", r"\fbox{", r"\text{", "{", "}", r"\{", r"\}", "\\", "<answer>", "</answer>"]
FILLING = ["5", "B", " ", "\n", "A: x", "and", "$", "<", ">", "é", "option is "]
PIECES = st.lists(st.sampled_from([*PARTS, *FILLING]), max_size=40).map("".join)
ADVERSARIAL = [
    *(part * 100_000 for part in [*PARTS, r"\boxed{}", r"\boxed{ }", r"\boxed ", r"\boxed{answer "]),
    *(part * 100_000 for part in ["<answer></answer>", "<answer> ", "<answer", "answer "]),
    r"\boxed{" * 50_000 + "}" * 50_000,
    r"\boxed{" + " " * 300_000 + "}",
    r"\boxed{" + "the option is : " * 100_000 + "}",
    r"\boxed{" + "(" * 100_000 + "A" + ")" * 100_000 + "}",
    r"\boxed{A" + ",;/&" * 100_000 + "}",
    r"\boxed{" + r"\text{" * 100_000 + "A" + "}" * 100_001,
]


@pytest.fixture
def alarm() -> Iterator[None]:
    """Ends a test that hangs, so that it fails rather than stops the suite."""
    signal.alarm(60)
    yield
    signal.alarm(0)


@pytest.mark.parametrize(
    ("text", "box"),
    [
        (r"so \boxed{5}", "5"),
        (r"\boxed{1} then \boxed{2}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\left\{x \right.}", r"\left\{x \right."),
        (r"\boxed{\boxed{5}}", "5"),
        (r"\boxed {7}", "7"),
        (r"\fbox{7}", "7"),
        (r"$\boxed{x=5}$.", "x=5"),
        (r"\boxed{5}, in \boxed{} as asked", "5"),
        (r"\boxed{5} or rather \boxed{\frac{1}{2", None),
        (r"\boxed{5", None),
        (r"\boxed{}", None),
        (r"\boxedx{5}", None),
        ("5", None),
        ("", None),
    ],
)
def test_last_box(text: str, box: str | None) -> None:
    assert last_box(text) == box


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<answer>5</answer>", "5"),
        ("Candidate 1 says <answer>4</answer>, wrong: <answer> 5 </answer>", "5"),
        ("<answer>5</answer> and once more: <answer>6", "5"),
        ("inside <answer> tags: <answer>5</answer>", "5"),
        ("<answer>5</answer> ended by </answer>", "5"),
        ("<Answer>5</ANSWER>", "5"),
        ("<answer>1 2\n3 4</answer>", "1 2\n3 4"),
        ("<answer>5</answer> in <answer></answer>", "5"),
        ("<answer>5", None),
        ("5</answer>", None),
        ("", None),
    ],
)
def test_last_answer_tag(text: str, answer: str | None) -> None:
    assert last_answer_tag(text) == answer


@pytest.mark.parametrize(
    ("box", "letter"),
    [
        ("B", "B"),
        ("b", "B"),
        (r"\text{B}", "B"),
        (r"\textbf{(B)}", "B"),
        (r"\mathrm{B}", "B"),
        (r"\mathbf{\text{B}}", "B"),
        ("B.", "B"),
        ("(B)", "B"),
        ("[B]", "B"),
        ("B)", "B"),
        ("**B**", "B"),
        ("$B$", "B"),
        ("B: 400 cal", "B"),
        (r"\text{B. } 400\ \text{cal}", "B"),
        ("B - 400 cal", "B"),
        ("Option B", "B"),
        ("option (b)", "B"),
        ("The correct answer is B", "B"),
        ("Answer: J", "J"),
        ("D: V", "D"),
        ("A, B", None),
        ("A and B", None),
        ("(A) and (B)", None),
        ("A cat", None),
        ("AB", None),
        ("400 cal", None),
        ("", None),
    ],
)
def test_choice_letter(box: str, letter: str | None) -> None:
    assert choice_letter(rf"It is \boxed{{{box}}}.") == letter


def test_choice_letter_needs_a_box_and_takes_the_last() -> None:
    assert choice_letter("The answer is B") is None
    assert choice_letter(r"\boxed{A}? No: \boxed{C}") == "C"


@given(st.text() | PIECES)
def test_readers_take_any_text(text: str) -> None:
    for reader in (last_box, last_answer_tag):
        found = reader(text)
        assert found is None or (found in text and found == found.strip() != "")
    letter = choice_letter(text)
    assert letter is None or ("A" <= letter <= "Z" and len(letter) == 1)


@given(PIECES, st.sampled_from(["5", r"\frac{1}{2}", "x"]))
def test_what_a_response_ends_with_is_its_answer(before: str, answer: str) -> None:
    assert last_box(rf"{before} \boxed{{{answer}}}") == answer
    assert last_answer_tag(f"{before} <answer>{answer}</answer>") == answer


@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize("text", ADVERSARIAL, ids=lambda text: repr(text[:24]))
def test_time_is_linear(text: str) -> None:
    """A quadratic reader takes hours over these; this one does not show."""
    last_box(text)
    last_answer_tag(text)
    choice_letter(text)
    choice_letter(text + r"\boxed{A}")
