from __future__ import annotations

import pytest

from selfagg.html_report.prompt_parts import candidate_texts, sent_as, template
from selfagg.models.base import fingerprint
from selfagg.prompts import aggregation, first
from selfagg.prompts.prompt import candidate_format_named
from selfagg.types import Member, Question, Reply

QUESTION = Question("q", "What is 2 + 2?", "math", "4", context=({"role": "system", "content": "Be brief."},))


def members(*texts: str | None) -> list[Member]:
    return [Member(1, i, reply=None if text is None else Reply(text)) for i, text in enumerate(texts)]


@pytest.mark.parametrize("shown", [0, 1, 2, 5])
def test_the_parts_together_are_the_prompt(shown: int) -> None:
    candidates = members(*(f"candidate text {i}" for i in range(shown)))
    prompt = aggregation(QUESTION, candidates) if shown else first(QUESTION)
    sent = str(prompt.messages([member.text for member in candidates])[-1]["content"])
    parts = template(QUESTION, shown)
    assert parts[0] == {"role": "system", "kind": "context", "text": "Be brief."}
    assert [part["place"] for part in parts if part["kind"] == "candidate"] == list(range(shown))
    assert [part["text"] for part in parts if part["kind"] == "question"] == [QUESTION.text]
    at = 0
    for part in parts[1:]:
        pieces = [part["lead"], f"candidate text {part['place']}"] if part["kind"] == "candidate" else [part["text"]]
        for piece in pieces:
            at = sent.index(piece, at) + len(piece)
    assert not sent[at:].strip()


def test_a_candidate_has_the_line_above_it_as_its_heading() -> None:
    parts = template(QUESTION, 2)
    assert [part["lead"] for part in parts if part["kind"] == "candidate"] == ["[Candidate 1]", "[Candidate 2]"]


def test_the_fingerprint_is_that_of_the_prompt_sent() -> None:
    shown = members("a", "b")
    texts = candidate_texts(candidate_format_named("response"), shown)
    assert sent_as(QUESTION, texts) == fingerprint(aggregation(QUESTION, shown).messages(["a", "b"]))
    assert sent_as(QUESTION, []) == fingerprint(first(QUESTION).messages([]))


def test_a_failed_parent_is_not_shown() -> None:
    assert candidate_texts(candidate_format_named("response"), members("a", None, "c")) == ["a", "c"]


def test_a_question_without_text_has_a_prompt_all_the_same() -> None:
    assert template(Question("q", ""), 1)[-1]["kind"] == "candidate"
