"""Responses that are kept: gone on with, listed, and let go of when there are too many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from selfagg.record.record import Record
from selfagg.server import kept_responses
from selfagg.server.errors import APIError
from selfagg.server.kept_responses import KeptResponses


async def test_the_oldest_responses_go_first_and_none_that_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_responses, "MOST_IN_MEMORY", 3)
    monkeypatch.setattr(kept_responses, "_PURGE_EVERY", 1)
    responses = KeptResponses(None)
    for number in range(6):
        event = {"type": "x", "sequence_number": 0}
        response = {"created_at": 4e9 + number, "id": str(number)}
        await responses.put({}, response, [event], open=number == 0)
    await responses.put({}, {"created_at": 1.0, "id": "old"})
    await responses.put({}, {"created_at": 5e9, "id": "new"})
    found = [name for name in ("0", "1", "2", "3", "4", "5", "old", "new") if responses.get(name)]
    assert found == ["0", "4", "5", "new"]
    assert (len(responses.events("0")), responses.events("1")) == (1, [])
    responses.close()


async def kept_one(responses: KeptResponses, number: int = 1, **more: Any) -> str:
    """The id of a response that was kept, with one message as its output."""
    name = f"resp_{number:048x}"
    item = {"id": f"msg_{number:048x}0", "type": "message", "role": "assistant", "content": "four"}
    response = {"id": name, "created_at": 4e9, "output": [item]}
    await responses.put(responses.request({"input": "2+2?"}), response, **more)
    return name


USER = {"type": "message", "role": "user", "content": "2+2?"}


async def test_a_request_is_completed_by_what_it_refers_to(tmp_path: Path) -> None:
    with Record(tmp_path / "served.sqlite") as record:
        responses = KeptResponses(record)
        name = await kept_one(responses)
        answer = {"id": f"msg_{1:048x}0", "type": "message", "role": "assistant", "content": "four"}
        body = {"model": "m", "previous_response_id": name, "input": "sure?", "odd": 1}
        asked = {**USER, "content": "sure?"}
        assert responses.complete(body) == {"model": "m", "odd": 1, "input": [USER, answer, asked]}
        reference = {"type": "item_reference", "id": answer["id"]}
        assert responses.complete({"input": [reference, asked]}) == {"input": [answer, asked]}
        for plain in ({"input": "x"}, {"input": [USER]}, {"previous_response_id": None}, {"input": 5}, {}):
            assert responses.complete(plain) is plain


async def test_what_is_not_kept_is_named(tmp_path: Path) -> None:
    with Record(tmp_path / "served.sqlite") as record:
        responses = KeptResponses(record)
        busy = await kept_one(responses, 2, open=True)
        for name, why in (("resp_other", "is not kept here"), (busy, "is not done yet")):
            with pytest.raises(APIError, match=why) as refusal:
                responses.complete({"previous_response_id": name})
            assert refusal.value.code == "previous_response_not_found"
        await kept_one(responses)
        for item in ("msg_1", f"msg_{1:048x}1", f"msg_{3:048x}0", None):
            with pytest.raises(APIError, match=r"input.1: item .* is not kept here") as refusal:
                responses.complete({"input": [USER, {"type": "item_reference", "id": item}]})
            assert refusal.value.param == "input.1"


async def test_without_a_record_no_conversation_is_kept_but_answers_are() -> None:
    responses = KeptResponses(None)
    name = await kept_one(responses)
    kept = responses.get(name)
    assert kept is not None
    assert kept.request == {"items": []}
    with pytest.raises(APIError, match="--record FILE"):
        responses.complete({"previous_response_id": name})
    responses.close()


async def test_events_are_told_from_any_number_on_and_go_with_their_response() -> None:
    responses = KeptResponses(None)
    events = [{"type": "x", "sequence_number": number} for number in range(4)]
    name = await kept_one(responses, events=events[:2], open=True)
    await responses.tell(name, events[2:])
    for after in range(-1, 4):
        assert responses.events(name, after) == events[after + 1 :]
    assert [kept.id for kept in responses.unfinished()] == [name]
    await kept_one(responses)  # it is done: what was told stays
    assert (responses.unfinished(), responses.events(name)) == ([], events)
    await responses.delete(name)
    assert (responses.get(name), responses.events(name)) == (None, [])
    responses.close()
