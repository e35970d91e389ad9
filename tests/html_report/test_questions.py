from __future__ import annotations

import asyncio
import base64
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from selfagg.html_report.questions import packed, question_texts, questions, tags, template
from selfagg.prompts import aggregation, first
from selfagg.prompts.prompt import candidate_format_named
from selfagg.record.record import Record
from selfagg.record.rows import CLOSING, Generation
from selfagg.types import Member, Question, Reply, Usage


@pytest.mark.parametrize(
    ("states", "same", "expected"),
    [
        (["rw", "ww"], [[0, 1], [0, 0]], {"died out"}),
        (["ww", "rw"], [[0, 0], [0, 1]], {"rescued", "disagreeing"}),
        (["ww", "wn"], [[0, 0], [0, None]], {"all wrong", "unanswered"}),
        (["rw", "rr"], [[0, 1], [0, 0]], {"all right"}),
        (["rf"], [[0, None]], {"failed"}),
        (["rr", "ww", "rr"], [[0, 0], [0, 0], [0, 0]], {"all right", "rescued"}),
        ([], [], set()),
    ],
)
def test_tags(states: list[str], same: list[list[int | None]], expected: set[str]) -> None:
    assert set(tags(states, same, True)) == expected
    early = set(tags(states, same, False))
    assert early == expected & {"disagreeing", "unanswered", "failed"}


def test_without_a_gold_answer_nobody_is_wrong() -> None:
    assert set(tags(["uu"], [[0, 1]], True, scored=False)) == {"disagreeing"}
    assert set(tags(["un", "nn"], [[0, None], [None, None]], True, scored=False)) == {"unanswered"}


def test_where_an_answer_is_unscored_the_fate_of_right_answers_is_not_known() -> None:
    assert set(tags(["rw", "uw"], [[0, 1], [0, 1]], True, unscored=True)) == {"unscored", "disagreeing"}
    assert set(tags(["uw"], [[0, 0]], True, unscored=True)) == {"unscored"}


def test_a_question_all_of_whose_members_failed_is_not_wrong() -> None:
    assert set(tags(["ff", "ff"], [[None, None], [None, None]], True)) == {"failed"}


def test_a_question_holds_what_the_record_says(rsa: Path) -> None:
    with Record(rsa, read_only=True) as record:
        told = questions(record, {1: 6, 2: 6, 3: 6, 4: 6})
        assert [question["id"] for question in told] == [f"sum-{i}" for i in range(6)]
        for position, question in enumerate(told):
            assert question["done"]
            assert question["weights"] == record.weights(position)
            for (_, t, i), member in record.members(position).items():
                population = question["populations"][t - 1]
                assert population["parents"][i] == ",".join(map(str, member.parents))
                assert population["answers"][i] == member.answer
                assert (population["states"][i] == "r") == member.right
                assert (population["states"][i] == "f") == (member.error is not None)
        assert told[0]["lead"] is not None  # it has a formula
        assert told[1]["lead"] is None


def test_a_question_that_is_done_has_no_member_to_come(rsa: Path) -> None:
    with Record(rsa, read_only=True) as record:
        told = questions(record, {1: 7, 2: 6})
    assert len(told[0]["populations"][0]["states"]) == 6
    assert "m" not in told[0]["populations"][0]["states"]
    assert len(told[0]["populations"]) == 2


def test_packed_texts_are_those_of_the_record(rsa: Path) -> None:
    with Record(rsa, read_only=True) as record:
        question = next(iter(record.questions()))
        text = zlib.decompress(
            base64.b64decode(packed(record, 0, question, candidate_format_named("response")))
        ).decode()
        told = json.loads(text)
        members = record.members(0)
    assert set(told["members"]) == {f"{t}.{i}" for _, t, i in members}
    for (_, t, i), member in members.items():
        entry = told["members"][f"{t}.{i}"]
        assert entry.get("text", "") == member.text
        assert entry["error"] == member.error
        if member.reply:
            usage = member.reply.usage
            assert entry["tokens"] == [usage.prompt, usage.cached, usage.completion, usage.reasoning]
            assert entry["exact"]
        assert entry["shows"] == [j for j in member.parents if members["candidate", t - 1, j].reply]
        assert str(len(entry["shows"])) in told["prompts"]


@pytest.mark.parametrize("view", ["answer", "tail:3", "reasoning"])
def test_what_was_shown_of_a_candidate_is_told_where_it_is_not_its_text(
    run_of: Callable[..., Path], sums: list[Question], view: str
) -> None:
    path = run_of("rsa", "simulated:p=0.5", sums[:1], n=2, k=2, t=2, candidate=view)
    with Record(path, read_only=True) as record:
        told = question_texts(record, 0, sums[0], candidate_format_named(view))
        for (_, t, i), member in record.members(0).items():
            entry = told["members"][f"{t}.{i}"]
            assert (entry["shown"] or entry["text"].strip()) == candidate_format_named(view)(member)
            assert entry["exact"]


def test_calls_besides_candidates_stand_with_their_member(run_of: Callable[..., Path], sums: list[Question]) -> None:
    path = run_of("rejection", "simulated:", sums[:1], n=2)
    with Record(path, read_only=True) as record:
        told = question_texts(record, 0, sums[0], candidate_format_named("response"))
    assert [also["role"] for also in told["members"]["1.1"]["also"]] == ["verdict"]


def test_a_closing_call_stands_with_the_first_member_that_it_shows(
    run_of: Callable[..., Path], sums: list[Question]
) -> None:
    path = run_of("rsa", "simulated:p=1", sums[:1], n=2, k=1, t=1)

    async def close(record: Record) -> None:
        await record.save(Generation(0, Member(2, 0, (1,), Reply("closed", usage=Usage(1, 0, 1))), CLOSING))
        await record.drain()

    with Record(path) as record:
        asyncio.run(close(record))
        told = question_texts(record, 0, sums[0], candidate_format_named("response"))
    assert told["members"]["1.1"]["also"] == [{"role": "closing", "text": "closed", "error": None}]
    assert "also" not in told["members"]["1.0"]


def test_a_prompt_that_was_sent_otherwise_is_not_called_exact(rsa: Path) -> None:
    with Record(rsa, read_only=True) as record:
        question = next(iter(record.questions()))
        told = question_texts(record, 0, question, candidate_format_named("answer"))
    later = [entry for address, entry in told["members"].items() if not address.startswith("1.") and not entry["error"]]
    assert later
    assert not any(entry["exact"] for entry in later)


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


def test_a_question_without_text_has_a_prompt_all_the_same() -> None:
    assert template(Question("q", ""), 1)[-1]["kind"] == "candidate"
