from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.html_report.markup import LONGEST, Node, coloured, nodes


def text_of(found: list[Node]) -> str:
    """All text in nodes, without names and attributes."""
    pieces = []
    for node in found:
        if isinstance(node, str):
            pieces.append(node)
        else:
            pieces.append(text_of([child for child in node[1:] if not isinstance(child, dict)]))
    return "".join(pieces)


def names_of(found: list[Node]) -> set[str]:
    names = set()
    for node in found:
        if isinstance(node, list):
            names |= {node[0]} | names_of([child for child in node[1:] if not isinstance(child, dict)])
    return names


def test_structure_becomes_nodes() -> None:
    assert nodes("# Title\n\nOne *two* **three** `four`") == [
        ["h", {"level": "1"}, "Title"],
        ["p", "One ", ["em", "two"], " ", ["strong", "three"], " ", ["code", "four"]],
    ]
    assert nodes("3. a\n4. b") == [["ol", {"start": "3"}, ["li", "a"], ["li", "b"]]]
    assert nodes("|a|\n|-|\n|b|") == [["table", ["thead", ["tr", ["th", "a"]]], ["tbody", ["tr", ["td", "b"]]]]]
    assert nodes("a\nb") == [["p", "a\nb"]]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<!-- gone? -->",
        "a <b>c</b> d",
        "</textarea></script>",
        "![i](http://example.org/i.png)",
        "&lt;b&gt; stays what it means: <b>",
    ],
)
def test_html_and_images_stay_text(text: str) -> None:
    found = nodes(text)
    assert names_of(found) <= {"p"}
    assert text_of(found) == text.replace("&lt;", "<").replace("&gt;", ">")


@pytest.mark.parametrize("target", ["javascript:alert(1)", "http://example.org/a"])
def test_links_show_their_target_and_lead_nowhere(target: str) -> None:
    found = nodes(f"[words]({target})")
    assert "a" not in names_of(found)
    assert "words" in text_of(found)
    assert target in text_of(found)


@pytest.mark.parametrize(
    ("text", "display"),
    [
        ("$x^2$", "inline"),
        (r"\(x^2\)", "inline"),
        (r"\boxed{x^2}", "inline"),
        ("$$x^2$$", "block"),
        ("\\[\nx^2\n\\]", "block"),
        ("so \\[ x^2 \\].", "block"),
        ("\\begin{align}\nx^2\n\\end{align}", "block"),
    ],
)
def test_formulas_in_every_delimiter_are_typeset(text: str, display: str) -> None:
    found = json.dumps(nodes(text))
    assert f'["math", {{"display": "{display}"}}' in found
    assert '["msup"' in found
    assert "$" not in found


def test_nothing_inside_a_displayed_formula_is_markdown() -> None:
    assert names_of(nodes("\\[\na\n- b\n= c\n\\]")).isdisjoint({"ul", "li", "h"})


@pytest.mark.parametrize("text", ["It costs $5 and then $6.", "a $ b $ c", r"\( never closed", r"\boxed{never"])
def test_what_is_no_formula_stays_text(text: str) -> None:
    assert "math" not in names_of(nodes(text))


def test_an_answer_of_several_lines_keeps_its_form() -> None:
    board = "<answer>\n# # #\n#  @ #\n- + >\n</answer>"
    assert nodes(f"So:\n{board}\nDone.") == [["p", "So:"], ["pre", ["code", board]], ["p", "Done."]]
    assert nodes("<answer>*4*</answer>") == [["p", "<answer>", ["em", "4"], "</answer>"]]
    assert names_of(nodes("<answer>\nnever closed")) == {"p"}


def test_code_is_coloured_and_unknown_languages_are_not() -> None:
    assert ["span", {"class": "k"}, "def"] in coloured("def f(): pass", "python")
    assert coloured("def f(): pass", "klingon") == ["def f(): pass"]
    code = "def f():\n    return '<b>'  # ä\n"
    assert text_of(nodes(f"```python\n{code}```")) == code
    assert text_of(nodes(f"```python\n{code}")) == code  # a reply that was cut inside its program


def test_a_very_long_text_is_left_as_it_is() -> None:
    text = "*a* " * LONGEST
    assert nodes(text) == [text]


@given(st.text(alphabet=st.sampled_from(list("$\\[](){}*_`#>-+1.|<&!ab \n\t\x00\u202e")), max_size=200))
def test_any_text_gives_nodes_of_known_names(text: str) -> None:
    found: Any = json.loads(json.dumps(nodes(text)))
    page = Path(__file__).parents[2] / "src" / "selfagg" / "html_report" / "page" / "js" / "nodes.js"
    listed = " ".join(re.findall(r'"([a-z ]+)"', page.read_text()))
    assert names_of(found) <= {"h", *listed.split()}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 40_000,
        r"\[" * 20_000,
        r"\boxed{" * 5_000,
        "$a" * 20_000,
        "> " * 5_000,
        "{" * 9_000,
        r"\boxed{{" * 4_000 + "}",
    ],
)
def test_hostile_repetition_is_read_to_its_end(text: str) -> None:
    found = text_of(nodes(text + "\n\nthe end"))  # quadratic work would take minutes
    assert "the end" in found
