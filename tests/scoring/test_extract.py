"""Reading answers off responses: the last one, never an exception, time linear in the length."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.prompts.wording import instruction
from selfagg.scoring import scorer_for
from selfagg.scoring.base import stated_answer
from selfagg.scoring.choice import choice_letter
from selfagg.scoring.extract import last_answer_tag, last_box, unwrapped
from selfagg.types import KINDS, Kind, Question, Reply, Stop

BOX_B = r"\boxed{B}"

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
        (r"\boxed{x = \fbox{5}}", "x = {5}"),
        (r"\boxed{\Large \boxed{5}}", "5"),
        (r"\boxed {7}", "7"),
        (r"\fbox{7}", "7"),
        (r"\framebox[2cm]{7}", "7"),
        (r"\Boxed{7}", "7"),
        (r"\\boxed{7}", "7"),
        ("boxed{7}", "7"),
        ("\x08oxed{7}", "7"),
        ("[boxed]7[/boxed]", "7"),
        (r"\boxed 7", "7"),
        (r"\boxed7", "7"),
        (r"$\boxed 1,024$.", "1,024"),
        (r"\boxed \frac{1}{2}", r"\frac{1}{2}"),
        (r"\boxed\text{B}.", r"\text{B}"),
        (r"\boxed(B)", "(B)"),
        (r"\boxed B.", "B"),
        ("\\boxed{7 % the result\n}", "7"),
        (r"\boxed{50%}", "50%"),
        (r"\boxed{7\\}", "7"),
        (r"$\boxed{x=5}$.", "x=5"),
        (r"\boxed{5} or rather \boxed{\frac{1}{2", None),
        (r"\boxed{5", None),
        (r"\boxed{5\}", None),
        (r"\boxed{{5}", None),
        (r"\boxed{}", None),
        (r"\boxedx{5}", None),
        ("unboxed{5}", None),
        ("5", None),
        ("", None),
    ],
)
def test_last_box(text: str, box: str | None) -> None:
    assert last_box(text) == box


@pytest.mark.parametrize(
    ("text", "box"),
    [
        (r"\boxed{1} and \boxed{2}", "1, 2"),
        (r"$\boxed{1}$, $\boxed{2}$, or $\boxed{3}$", "1, 2, 3"),
        (r"\(x_1 = \boxed{1}\) or \(x_2 = \boxed{2}\)", "1, 2"),
        (r"\boxed{(1,2)} \quad \text{and} \quad \boxed{(3,4)}", "(1,2), (3,4)"),
        ("\\boxed{1},\n\\boxed{2}", "1, 2"),
        (r"We had \boxed{7}. So \boxed{1} and \boxed{2}", "1, 2"),
        (r"\boxed{5}, \boxed{5}", "5"),
        (r"\boxed{1} \boxed{5}", "5"),
        (r"\boxed{1}, so \boxed{5}", "5"),
        (r"\boxed{\frac{1}{2}} = \boxed{0.5}", "0.5"),
        ("\\boxed{1},\n\n\\boxed{5}", "5"),
        (r"\boxed{1} and \boxed{2", None),
    ],
)
def test_boxes_of_one_enumeration_are_a_list(text: str, box: str | None) -> None:
    assert last_box(text) == box


QUOTES = [
    *(r"\boxed{}", r"\boxed{ }", r"\boxed{ \quad }", r"\boxed{...}", r"\boxed{\ldots}", r"\boxed{?}", r"\boxed{___}"),
    *(r"\boxed{answer}", r"\boxed{\text{your answer}}", r"\boxed{\text{Final Answer}}", r"\boxed{\text{the letter}}"),
    *(r"\boxed{your final answer here}", r"\boxed{\phantom{00}}", r"\boxed as asked", r"`\boxed{` and `}`"),
    *(r"\boxed{}, for example \boxed{A}", r"\boxed{\text{[your answer]}}", r"\boxed{your\_answer}", r"\boxed{\ }"),
]


@pytest.mark.parametrize("quote", QUOTES)
def test_a_quoted_instruction_replaces_no_answer(quote: str) -> None:
    assert last_box(rf"So \boxed{{42}}. (I put it in {quote}.)") == "42"
    assert last_box(rf"I shall put it in {quote}. Now, let me") is None
    assert last_box(rf"I shall put it in {quote}. So it is \boxed{{42}}") == "42"


@pytest.mark.parametrize("content", [r"\text{No solution}", r"\emptyset", r"\{\}", "x", r"\text{and so on}", "A", "[]"])
def test_answers_that_look_like_forms(content: str) -> None:
    assert last_box(rf"\boxed{{{content}}}") == content


def test_an_example_is_read_where_nothing_else_is_stated() -> None:
    assert last_box(r"Take, for example, \boxed{7}.") == "7"


@pytest.mark.parametrize(("away", "box"), [(17, "5"), (18, "7")])
def test_an_example_is_announced_just_before_its_box(away: int, box: str) -> None:
    assert last_box(rf"\boxed{{5}}, not such as{' ' * away}\boxed{{7}}") == box


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<answer>5</answer>", "5"),
        ("Candidate 1 says <answer>4</answer>, wrong: <answer> 5 </answer>", "5"),
        ("<answer>5</answer> and once more: <answer>6", "5"),
        ("inside <answer> tags: <answer>5</answer>", "5"),
        ("<answer>5</answer> ended by </answer>", "5"),
        ("<answer><answer>5</answer></answer>", "5"),
        ("<Answer>5</ANSWER>", "5"),
        ("< answer >5</ Answer >", "5"),
        ('<answer type="number">5</answer>', "5"),
        ("\\<answer\\>5\\</answer\\>", "5"),
        ("&lt;answer&gt;5&lt;/answer&gt;", "5"),
        ("<answer>5<\\answer>", "5"),
        ("```\n<answer>5</answer>\n```", "5"),
        ("<answer>1 2\n3 4</answer>", "1 2\n3 4"),
        ("<answer>5</answer> in <answer></answer>", "5"),
        ("<answer>[]</answer>", "[]"),
        ("<answer>and</answer>", "and"),
        ("The word is <answer>and</answer>", "and"),
        ("So:\n<answer> and </answer>\n", "and"),
        ("<answer>answer</answer>", "answer"),
        ("<answer>your answer</answer>", None),
        ("<answer>5", None),
        ("5</answer>", None),
        ("", None),
    ],
)
def test_last_answer_tag(text: str, answer: str | None) -> None:
    assert last_answer_tag(text) == answer


NAMED = [
    "between <answer> and </answer> tags",
    "between `<answer>` and `</answer>`",
    "zwischen <answer> und </answer>",
    "在<answer>和</answer>标签之间",
    "<answer> followed by </answer>",
    "within <answer> XML tags and </answer>",
    "I open with <answer>, then close with </answer>.",
    "in <answer></answer>",
    "as <answer>...</answer>",
    "as <answer>your answer</answer>",
    "as <answer>[Your Answer Here]</answer>",
    "as <answer>YOUR_ANSWER</answer>",
]


@pytest.mark.parametrize("named", NAMED)
def test_tags_that_a_sentence_names_hold_no_answer(named: str) -> None:
    assert last_answer_tag(f"<answer>42</answer> ({named})") == "42"
    assert last_answer_tag(f"I state it {named}. Now let me think about the puz") is None
    assert last_answer_tag(f"I state it {named}. So <answer>42</answer>") == "42"


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_instructions_replace_no_answer(kind: Kind) -> None:
    question = Question("q", "?", kind, gold="B")
    asked = instruction(question)
    answer = {"code": "```python\nprint(1)\n```", "reasoning_gym": "<answer>B</answer>", "text": "<answer>B</answer>"}
    for text in (f"{answer.get(kind, BOX_B)}\n\n{asked}", f"{asked}\n\n{answer.get(kind, BOX_B)} ({asked})"):
        assert scorer_for(kind).answer(question, text) == ("print(1)" if kind == "code" else "B")
    assert stated_answer(question, Reply(asked, stop=Stop.LENGTH)) is None


WRAPPED = ["**5**", "`5`", r"\boxed{5}", "$5$", r"\(5\)", "```\n5\n```", "```text\n5\n```", r"$\boxed{5}$"]


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_unwrapped(wrapped: str) -> None:
    assert unwrapped(wrapped) == "5"


@given(st.text() | PIECES)
def test_readers_take_any_text(text: str) -> None:
    for reader in (last_box, last_answer_tag):
        found = reader(text)
        assert found is None or found == found.strip() != ""
    letter = choice_letter(text)
    assert letter is None or ("A" <= letter <= "Z" and len(letter) == 1)


@given(PIECES, st.sampled_from(["5", r"\frac{1}{2}", "x"]))
def test_what_a_response_ends_with_is_its_answer(before: str, answer: str) -> None:
    assert last_box(rf"{before} so \boxed{{{answer}}}") == answer
    assert last_answer_tag(f"{before} <answer>{answer}</answer>") == answer


@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize("text", ADVERSARIAL, ids=lambda text: repr(text[:24]))
def test_time_is_linear(text: str) -> None:
    """A quadratic reader takes hours over these; this one does not show."""
    last_box(text)
    last_answer_tag(text)
    choice_letter(text)
    choice_letter(text + r"\boxed{A}")
