"""Server-sent events by the standard, and what servers send in their place."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.models.openai.sse import DONE, EventReader


def read(data: bytes, cuts: Sequence[int] = ()) -> list[object]:
    reader, events, at = EventReader(), list[object](), 0
    for cut in [*cuts, len(data)]:
        events += reader.feed(data[at : at + cut])
        at += cut
    return events + list(reader.rest())


STREAMS = [
    (b'data: {"a": 1}\n\ndata: [DONE]\n\n', [{"a": 1}, DONE]),
    (b'data:{"a": 1}\r\n\r\ndata:[DONE]\r\n\r\n', [{"a": 1}, DONE]),
    (b'data: {"a": 1}\r\rdata: 2\r\r', [{"a": 1}, 2]),
    (b'\xef\xbb\xbfdata: {"a": 1}\n\n', [{"a": 1}]),
    (b': ping\n\n: OPENROUTER PROCESSING\n\ndata: 1\n\n', [1]),
    (b'retry: 3000\n\nid: 0\ndata: 1\n\nid: 1\nevent: message\ndata: 2\n\n', [1, 2]),
    (b'data: {"a":\ndata: 1}\n\n', [{"a": 1}]),
    (b'data:\n\ndata: \n\ndata\n\ndata: 1\n\n', [1]),
    (b'data: 1\n\ndata: 2', [1, 2]),
    (b'data: {"a": 1}\ndata: {"a": 2}\n\ndata: [DONE]', [{"a": 1}, {"a": 2}, DONE]),
    (b'\n\n\ndata: "Gr\xc3\xbc\xc3\x9fe"\n\n', ["Grüße"]),
    (b'{"a": 1}', [{"a": 1}]),
    (b'\n\n {"a":\n 1}\n', [{"a": 1}]),
    (b'[{"a": 1}]', [[{"a": 1}]]),
    (b'{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
    (b'', []),
    (b': only comments\n\n', []),
]  # fmt: skip


@pytest.mark.parametrize(("data", "events"), STREAMS)
def test_what_a_stream_holds(data: bytes, events: list[object]) -> None:
    assert read(data) == events
    assert read(data, [1] * len(data)) == events


@given(st.sampled_from(STREAMS), st.lists(st.integers(1, 9), max_size=60))
def test_the_chunks_do_not_matter(stream: tuple[bytes, list[object]], cuts: list[int]) -> None:
    assert read(stream[0], cuts) == stream[1]


@given(st.lists(st.text(), max_size=5), st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(1, 9), max_size=60))
def test_any_text_arrives(texts: list[str], newline: str, cuts: list[int]) -> None:
    data = "".join(f"data: {json.dumps(text, ensure_ascii=False)}{newline * 2}" for text in texts)
    assert read(data.encode("utf-8", "replace"), cuts) == [text.encode("utf-8", "replace").decode() for text in texts]


@pytest.mark.parametrize("data", [b"data: {\n\n", b"<html>Welcome</html>", b"{", b"data: nonsense\n\n"])
def test_what_is_no_json_is_a_fault(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are those of json
        read(data)


def test_a_page_is_kept_for_the_message() -> None:
    reader = EventReader()
    assert not list(reader.feed(b"  <html>Welc"))
    assert not list(reader.feed(b"ome</html>"))
    assert reader.page.strip() == "<html>Welcome</html>"
