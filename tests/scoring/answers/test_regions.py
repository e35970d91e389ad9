"""Where the parts of an answer begin and end."""

from __future__ import annotations

import pytest

from selfagg.scoring.answers.regions import bracketed, is_sane, split


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1,2", ["1", "2"]),
        ("(1,2),(3,4)", ["(1,2)", "(3,4)"]),
        (r"\{1,2\}, [3,4)", [r"\{1,2\}", "[3,4)"]),
        (r"\frac{1,2}{3}", [r"\frac{1,2}{3}"]),
        (r"\begin{pmatrix}1,2\end{pmatrix},3", [r"\begin{pmatrix}1,2\end{pmatrix}", "3"]),
        ("", [""]),
    ],
)
def test_split(text: str, parts: list[str]) -> None:
    assert split(text, ",") == parts


@pytest.mark.parametrize(
    ("text", "inside"),
    [("(1,2)", "1,2"), ("[0,1)", "0,1"), (r"\{1\}", "1"), ("(1)(2)", None), ("1", None), ("((1)", None), ("", None)],
)
def test_bracketed(text: str, inside: str | None) -> None:
    assert bracketed(text) == inside


def test_nesting_that_no_honest_answer_has() -> None:
    assert is_sane("(" * 20 + "1" + ")" * 20)
    assert not is_sane("(" * 5000)
