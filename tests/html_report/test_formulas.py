from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.html_report.formulas import LONGEST, formula


def test_a_fraction_is_mathml() -> None:
    assert formula(r"\frac{1}{2}", False) == [
        "math",
        {"display": "inline"},
        ["mrow", ["mfrac", ["mrow", ["mn", "1"]], ["mrow", ["mn", "2"]]]],
    ]


def test_a_box_is_drawn_by_the_page() -> None:
    assert '["mrow", {"class": "box"}' in json.dumps(formula(r"\boxed{42}", True))


def test_characters_are_themselves_not_references() -> None:
    assert '["mo", "<"]' in json.dumps(formula("a<b", False))
    assert '["mo", "≤"]' in json.dumps(formula(r"a \leq b", False), ensure_ascii=False)


@pytest.mark.parametrize(
    "latex",
    [
        *(r"\frac{", "{{{", r"\left(", "x^", "x^2^3", r"\nosuchcommand{x}", r"\begin{cases} 1"),
        "{" * 3000 + "}" * 3000,
        "x" * (LONGEST + 1),
    ],
)
def test_what_cannot_be_read_stays_as_written(latex: str) -> None:
    assert formula(latex, False) == ["code", {"class": "tex"}, latex]


@pytest.mark.parametrize(
    "latex",
    [r"\href{javascript:alert(1)}{x}", r"\style{background:url(//a)}{x}", r"\class{grid}{x}", r"\color{red}x"],
)
def test_no_attribute_comes_from_the_formula(latex: str) -> None:
    def attributes(node: Any) -> list[str]:
        if isinstance(node, str):
            return []
        own = [key for child in node[1:] if isinstance(child, dict) for key in child]
        return own + [key for child in node[1:] if isinstance(child, list) for key in attributes(child)]

    assert set(attributes(formula(latex, False))) <= {"display", "class"}
    assert "javascript" not in json.dumps([node for node in formula(latex, False) if isinstance(node, dict)])
    assert '"grid"' not in json.dumps(formula(latex, False)[:2])


def test_numbered_environments_show_no_numbers() -> None:
    assert "(1)" not in json.dumps(formula("\\begin{align} a &= b \\\\ c &= d \\end{align}", True))


def rows(latex: str) -> list[list[str]]:
    """Return the letters of each cell of the formula's outermost table."""

    def letters(node: Any) -> str:
        return (
            node
            if isinstance(node, str)
            else "".join(letters(child) for child in node[1:] if not isinstance(child, dict))
        )

    def tables(node: Any) -> Iterator[Any]:
        if isinstance(node, list):
            yield from [node] if node[0] == "mtable" else [one for child in node[1:] for one in tables(child)]

    (table,) = tables(formula(latex, True))
    return [[letters(cell) for cell in row[1:]] for row in table[1:] if isinstance(row, list)]


@pytest.mark.parametrize("name", ["align", "align*", "aligned", "split", "flalign"])
def test_aligned_lines_are_rows_with_a_cell_on_either_side(name: str) -> None:
    assert rows(rf"\begin{{{name}}} a &= b \\ c &= d \end{{{name}}}") == [["a", "=b"], ["c", "=d"]]


@pytest.mark.parametrize("name", ["gather", "gather*", "gathered", "multline"])
def test_gathered_lines_are_rows_of_one_cell(name: str) -> None:
    assert rows(rf"\begin{{{name}}} a = b \\ c \end{{{name}}}") == [["a=b"], ["c"]]


@pytest.mark.parametrize(
    "latex",
    [
        r"f = \begin{cases} 1 & x \\ 0 & y \end{cases}",
        r"\begin{dcases} 1 & x \\[4pt] 0 & y \end{dcases}",
        r"\begin{rcases} 1 & x \\* 0 & y \end{rcases}",
        r"\begin{array}[t]{ll} 1 & x \\ 0 & y \end{array}",
        r"\begin{alignedat}{2} 1 & x \\ 0 & y \end{alignedat}",
        r"\begin{equation}\label{eq:f}\begin{aligned}[t] 1 & x \\[-2.5 ex] 0 & y \end{aligned}\end{equation}",
        r"1 & x \\ 0 & y",
    ],
)
def test_cases_places_and_gaps(latex: str) -> None:
    assert rows(latex) == [["1", "x"], ["0", "y"]]


def test_lines_outside_of_an_environment_are_rows() -> None:
    assert rows(r"a = b \\ c") == [["a=b"], ["c"]]


def test_a_table_in_a_line_stays_in_its_cell() -> None:
    inner = r"\begin{cases} 1 & a \\ 2 & b \end{cases}"
    assert rows(rf"\begin{{aligned}} x &= {inner} \\ y &= 3 \end{{aligned}}") == [["x", "={1a2b"], ["y", "=3"]]


@pytest.mark.parametrize("latex", [r"\begin{tikzcd} a & b \end{tikzcd}", r"a & b", r"{a \\ b}"])
def test_lines_and_columns_that_would_run_together_stay_as_written(latex: str) -> None:
    assert formula(latex, True) == ["code", {"class": "tex"}, latex]


def test_an_ampersand_of_the_text_is_one() -> None:
    assert '["mi", "&"]' in json.dumps(formula(r"a \& b", False))


@given(
    st.lists(
        st.sampled_from(
            [*"{}^_&$ab1<>%#~'\x01 \n\\", r"\frac", r"\left(", r"\begin{cases}", r"\sqrt[", r"\\", r"\end{align}"]
        )
    )
)
def test_never_raises(pieces: list[str]) -> None:
    assert formula("".join(pieces), False)[0] in ("math", "code")
