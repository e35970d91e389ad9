from __future__ import annotations

import json
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


@given(st.lists(st.sampled_from([*"{}^_&$ab1<>%#~'\x01 \n\\", r"\frac", r"\left(", r"\begin{cases}", r"\sqrt["])))
def test_never_raises(pieces: list[str]) -> None:
    assert formula("".join(pieces), False)[0] in ("math", "code")
