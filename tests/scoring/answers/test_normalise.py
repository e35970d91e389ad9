"""Sloppy TeX becomes one spelling."""

from __future__ import annotations

import pytest

from selfagg.scoring.answers.normalise import braced, bracketed, closing, is_sane, normalise, split


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        (r"\frac2\pi", r"\frac{2}{\pi}"),
        (r"\frac 12", r"\frac{1}{2}"),
        (r"\sqrt\frac12", r"\sqrt{\frac{1}{2}}"),
        (r"\sqrt[3]4", r"\sqrt[3]{4}"),
        (r"\binom n2", r"\binom{n}{2}"),
        ("x²", "x^{2}"),
        ("√2", r"\sqrt{2}"),
        ("２", "2"),
        ("1e5", r"1 \cdot 10^{5}"),
        ("2**10", "2^{10}"),
        (r"0.1\overline{6}", r"\frac{15}{90}"),
        (r"\textcolor{red}{5}", "5"),
        (r"\textbf{5 cm}", "5 cm"),
        (r"30~\mathrm{cm}^2", r"30 \text{cm}^2"),
        ("`5`", "5"),
        (r"5 \checkmark", "5"),
        (r"\begin{aligned}x&=2+3\\&=5\end{aligned}", "x=2+3 =5"),
    ],
)
def test_normalise(written: str, normal: str) -> None:
    assert normalise(written) == normal


def test_arguments_that_are_missing_do_not_fail() -> None:
    assert braced(r"\frac") == r"\frac{}{}"
    assert braced(r"\sqrt") == r"\sqrt{}"


def test_closing() -> None:
    assert closing("{a{b}c}d", 0) == 6
    assert closing("{a", 0) is None


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
