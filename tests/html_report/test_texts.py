from __future__ import annotations

import asyncio
import base64
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from selfagg.html_report.texts import packed, question_texts
from selfagg.prompts.prompt import candidate_format_named
from selfagg.record.record import Record
from selfagg.record.rows import CLOSING, Generation
from selfagg.types import Member, Question, Reply, Usage


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
