"""Wordings: read from a file, checked before anything is asked, and shown in prompts word for word."""

from __future__ import annotations

from pathlib import Path

import pytest

from selfagg.errors import UsageError
from selfagg.prompts import aggregation, first
from selfagg.prompts.wording import Wording
from selfagg.types import Member, Question, Reply

EXAMPLE = Path(__file__).parents[2] / "examples" / "wording.toml"
QUESTION = Question("q", "What is {6} times 7?", kind="math")


def user_turn(wording: Wording, candidates: int, question: Question = QUESTION) -> str:
    members = [Member(1, i, reply=Reply(f"It is {i}.")) for i in range(candidates)]
    prompt = aggregation(question, members) if members else first(question)
    texts = [member.text for member in members]
    return wording.words(prompt.template, question, texts)


def test_the_example_is_read_and_used_for_each_kind() -> None:
    wording = Wording.read(EXAMPLE)
    assert wording.name == "example"
    assert user_turn(wording, 0) == r"What is {6} times 7? <SENTENCE THAT ASKS FOR \boxed{}>"
    assert user_turn(wording, 2).splitlines() == [
        "<WHAT TO DO WITH 2 CANDIDATES FOR A math problem>", "", "What is {6} times 7?", "",
        "<HEADING OF CANDIDATE 1>", "It is 0.", "", "<HEADING OF CANDIDATE 2>", "It is 1.", "", "<CLOSING LINE>",
    ]  # fmt: skip
    assert "<HEADING OF THE CANDIDATE>\nIt is 0." in user_turn(wording, 1)
    text = Question("t", "Why?", kind="text")
    assert user_turn(wording, 0, text) == user_turn(Wording(), 0, text)  # a kind that the file leaves out


def test_our_own_candidates_stay_as_they_were() -> None:
    shown = "Candidates:\n\n[Candidate 1]\nIt is 0.\n\n[Candidate 2]\nIt is 1.\n\nNow write"
    assert shown in user_turn(Wording(), 2)


def test_a_fingerprint_tells_wordings_apart_and_not_our_own() -> None:
    words = {"first": "Q: {question}"}
    told = [Wording("w", **words).told, Wording("w", **words, candidate="{number}) {candidate}").told, Wording().told]
    assert told[2] is None
    assert told[0] != told[1]
    # As records hold it that were made before candidates had a template of their own.
    assert told[0] == {"name": "w", "fingerprint": "e7d3d071d4669df6"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('aggregat = "{candidates}"', "has no key 'aggregat'; did you mean aggregate"),
        ('aggregate = "{candidate}"', r"aggregate: there is no field \{candidate\}"),
        ('aggregate = "Combine them."', r"aggregate: the template shows none of \{candidates\}"),
        ('refine = "Mend {question}"', r"refine: the template shows none of \{candidate\}"),
        ('first = "Think."', r"first: the template shows none of \{problem\}, \{question\}"),
        ('candidate = "Candidate {number}"', r"candidate: the template shows none of \{candidate\}"),
        ('first = "{question} in {}"', r"there is no field \{\}"),
        ('first = "{question!r}"', "a field is a name alone"),
        ('first = "{question:{task}}"', "a field is a name alone"),
        ('first = "{question} in \\\\boxed{"', "write {{ and }} for braces"),
        ("first = 3", "the template must be text, not int"),
        ('[first]\nmaths = "{question}"', "there is no kind 'maths'; did you mean math"),
        ("first = ", "cannot read the wording"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "words.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=complaint):
        Wording.read(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the wording .*none\.toml: No such file"):
        Wording.read(tmp_path / "none.toml")
