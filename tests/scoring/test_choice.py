"""Exactly one letter is stated, or there is no answer."""

from __future__ import annotations

import pytest

from selfagg.scoring.base import score_reply, stated_answer
from selfagg.scoring.choice import ChoiceScorer, choice_letter, options, stated_letter
from selfagg.types import Question, Reply, Stop


@pytest.mark.parametrize(
    ("gold", "text", "answer", "score"),
    [
        ("B", r"\boxed{B}", "B", 1.0),
        ("B", r"\boxed{\text{(b)}}", "B", 1.0),
        ("(B)", r"\boxed{B: 400 cal}", "B", 1.0),
        ("b", r"\boxed{B}", "B", 1.0),
        ("B", r"first \boxed{B}, then \boxed{C}", "C", 0.0),
        ("B", "B", "B", 1.0),
        ("B", "I do not know", None, 0.0),
        ("A", r"\boxed{A, B}", None, 0.0),
        (None, r"\boxed{B}", "B", None),
    ],
)
async def test_score(gold: str | None, text: str, answer: str | None, score: float | None) -> None:
    verdict = await ChoiceScorer().score(Question("q", "?", kind="choice", gold=gold), text)
    assert (verdict.answer, verdict.score) == (answer, score)


async def test_a_cut_reply_states_no_letter_in_words() -> None:
    question = Question("q", "Which?\nA. Bananas\nB. Figs", kind="choice", gold="B")
    cut = Stop.LENGTH
    assert [stated_answer(question, Reply(text)) for text in ("The answer is B", r"\boxed{figs}")] == ["B", "B"]
    assert stated_answer(question, Reply("The answer is B", stop=cut)) is None
    assert stated_answer(question, Reply(r"So \boxed{B}. Let me check", stop=cut)) == "B"
    assert (await score_reply(question, Reply("The answer is B", stop=cut))).score == 0.0


async def test_same() -> None:
    assert await ChoiceScorer().same(Question("q", "?", kind="choice"), ["A", "B", "A", "C", "B"]) == [0, 1, 0, 3, 1]


B = [
    *(
        "B",
        "b",
        "Ｂ",
        "(B)",
        "（B）",
        "[B]",
        "B)",
        "B.",
        "B:",
        "B,",
        "B;",
        "**B**",
        "**(B)**",
        "__B__",
        "`B`",
        "$B$",
        "<B>",
    ),
    *('"B"', "“B”", "‘B’", "\u200bB", "B\\ ", r"\{B\}", r"\text{B}", r"\textbf{(B)}", r"(\text{B})", r"\text{B)}"),
    *(
        r"\bfseries B",
        r"{\bf B}",
        r"\rm{B}",
        r"\Large\text{B}",
        r"\;B",
        r"B\,",
        r"\mbox{B}",
        r"\mathcal{B}",
        r"\mathbb{B}",
    ),
    *(
        r"\texttt{B}",
        r"\textnormal{B}",
        r"\mathopen{}B",
        r"\textcolor{blue}{B}",
        r"\color{red}{B}",
        r"\bm{B}",
        r"\emph{B}",
    ),
    *(
        r"\left(B\right)",
        r"\operatorname{B}",
        r"\underline{\textbf{B}}",
        r"\boldsymbol{\text{B}}",
        r"\mathrm{~B}",
        r"B \checkmark",
    ),
    *(
        "Option B",
        "option (b)",
        "The correct answer is B",
        "Answer: B",
        "Answer = b",
        "My final answer is B",
        "It is B",
    ),
    *(
        "The most appropriate answer is B",
        "Statement B",
        "Ans. B",
        "I choose B",
        "答案：B",
        "选项B",
        "Answer: Option B: 5",
    ),
    *("B is correct", "B is the correct answer", "B (Option B)", "B (not A)", "B because A is wrong", "B since x > 0"),
    *(
        "B. 400 cal",
        "B) 400 cal",
        "B: 400 cal",
        "B.400",
        "B - 400 cal",
        "B — 400 cal",
        "B, 400 cal",
        "B\n400 cal",
        "B 400 cal",
    ),
    *(
        "B (400 cal)",
        r"\text{B: } 5",
        r"\text{B}\ 400",
        r"B \rightarrow 400",
        "(B)400",
        "b) text",
        "(b) text",
        "B: C",
        "B. A",
    ),
    *("B. both A and C", "B: A or C", "B. e.g. text", "B, because x > 0"),
]
NONE = [
    *(
        "",
        " ",
        ".",
        "AB",
        "A B",
        "A, B",
        "A,B",
        "A;B",
        "A/B",
        "A|B",
        "A & B",
        "A + B",
        "A–C",
        "A-J",
        "A to C",
        "A or B",
    ),
    *(
        "A and B",
        "(A) and (B)",
        "A) or B)",
        "Both A and B",
        "either A or B",
        "Options A and B",
        "A, B, and C",
        "(B)(C)",
    ),
    *(
        "B (or C)",
        "B, C",
        "B\nC",
        "A only and B",
        "I, II",
        "I and II",
        "not B",
        "Neither A nor B",
        "None",
        "None of the above",
    ),
    *(
        "Bananas",
        "a cat",
        "A cat",
        "I am not sure",
        "B cells",
        "B increases",
        "Vitamin B",
        "cannot be determined",
        "at B",
    ),
    *(
        "400 cal",
        "5",
        "E = mc^2",
        "f(x)",
        "f (x)",
        "x - 2",
        "n = 5",
        "C_2H_6",
        "B^2",
        "B'",
        "D > 5",
        r"A \to B",
        "A - J",
    ),
    *("e.g. 5", "i.e. 5", "U.S.", r"\alpha", r"\Delta E", r"\overline{B}", r"\neg B", r"\cancel{B}", r"\vec{B}", "B?"),
    *("B is not correct", "B is incorrect", "A is wrong"),
]


@pytest.mark.parametrize("content", B)
def test_one_letter_is_stated(content: str) -> None:
    assert stated_letter(content) == "B"


@pytest.mark.parametrize("content", NONE)
def test_no_letter_is_made_up(content: str) -> None:
    assert stated_letter(content) is None


@pytest.mark.parametrize("letter", "ABCDEFGHIJ")
def test_every_letter(letter: str) -> None:
    for form in ("{}", "the answer is {}", "({}) text", "Option {}", r"\text{{{}.}}"):
        assert stated_letter(form.format(letter)) == letter
        assert stated_letter(form.format(letter.lower())) == letter


@pytest.mark.parametrize(
    ("content", "letter"),
    [
        ("Bananas", "A"),
        (r"\text{bananas.}", "A"),
        ("B cells", "C"),
        (r"400\ \text{cal}", "B"),
        ("E = mc^2", "D"),
        ("B: Bananas", "B"),
        ("D", "D"),
        ("E", None),
        ("E. text", None),
        ("twice", None),
        ("cells", None),
    ],
)
def test_an_options_text_stands_for_its_letter(content: str, letter: str | None) -> None:
    texts = ["Bananas", "400 cal", "B cells", "$E = mc^2$", "twice", "twice"][: 4 if letter or len(content) > 5 else 6]
    assert stated_letter(content, texts[:4] if content.startswith("E") else texts) == letter


def test_a_text_that_two_options_have_names_neither() -> None:
    assert stated_letter("twice", ["twice", "twice"]) is None


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        (r"\boxed{A}? No: \boxed{C}", "C"),
        (r"\boxed{A} or \boxed{B}", None),
        (r"\boxed{B}, \boxed{B}", "B"),
        (r"It needs \boxed{x \ll y}, so D. **Answer: D**", "D"),
        (r"\boxed{A or B}. The answer is B.", "B"),
        (r"\boxed{A or B}.", None),
        (r"\boxed{B", None),
        ("<answer>B</answer>", "B"),
        ("B", "B"),
        ("B. 400 cal", "B"),
        ("I think.\n\n**B**", "B"),
        ("The answer is B.", "B"),
        ("Final Answer: **B**", "B"),
        ("Therefore, the correct option is (B).", "B"),
        ("Thus C.", "C"),
        ("Answer: B\n\nExplanation: 4 is even.", "B"),
        ("正确答案是B。", "B"),
        ("", None),
        ("A cat sat.", None),
        ("A. x\nB. y\nC. z\nD. w", None),
        ("If the answer is B, then we contradict ourselves.", None),
        ("Some say the answer is A, which is wrong.", None),
        ("The answer is not B.", None),
        ("I reject option B.", None),
        ("Is the answer B?", None),
        ("The answer is either A or B.", None),
    ],
)
def test_the_letter_of_a_response(text: str, letter: str | None) -> None:
    assert choice_letter(text) == letter


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Which?\n\nOption A : x\n\nOption B : y", ("x", "y")),
        ("Which?\nA. x\nB. y\nC. z", ("x", "y", "z")),
        ("Which?\n(A) x\n(B) y", ("x", "y")),
        ("A. An example:\nA) x\nB) y", ("x", "y")),
        ("A man walks.\nB: he runs.", ()),
        ("Which?", ()),
    ],
)
def test_options_are_found_in_the_question(text: str, found: tuple[str, ...]) -> None:
    assert options(text) == found
