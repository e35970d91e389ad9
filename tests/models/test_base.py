"""What connections share: the prompt's fingerprint, the bytes of a conversation, the protocols they are known by."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.models.base import AlwaysOpen, Forwards, Limited, Model, Portable, Streams, fingerprint, text_bytes
from selfagg.models.llama_cpp import LocalModel
from selfagg.models.openai import OpenAIModel
from selfagg.models.recorded import RecordedModel
from selfagg.models.simulated import SimulatedModel, Simulation

HELLO = {"role": "user", "content": "hello"}


def test_a_fingerprint_is_the_same_in_every_version() -> None:
    """Records hold it: another number for the same prompt would make a run that goes on ask again."""
    assert fingerprint([HELLO]) == "666210238ffa9abb"
    assert fingerprint([{"content": "hello", "role": "user"}]) == fingerprint([HELLO])
    assert fingerprint([HELLO, HELLO]) != fingerprint([HELLO])
    assert fingerprint([{"role": "user", "content": "\ud800 ü"}]) == "5b3cf0e37398f8da"


@pytest.mark.parametrize(
    ("content", "count"),
    [
        ("", 0),
        (None, 0),
        ("abc", 3),
        ("ü", 2),
        ("🦊", 4),
        ("\ud800", 3),
        ([{"type": "text", "text": "ab"}, {"type": "image_url", "image_url": {"url": "data:"}}, "no part"], 2),
    ],
)
def test_bytes_of_a_message(content: Any, count: int) -> None:
    assert text_bytes([{"role": "user", "content": content}]) == count


@given(st.lists(st.text()))
def test_bytes_of_messages_add_up(texts: list[str]) -> None:
    messages = [{"role": "user", "content": text} for text in texts]
    assert text_bytes(messages) == sum(text_bytes([message]) for message in messages)
    assert text_bytes(messages) == len("".join(texts).encode())


def test_what_each_connection_can_do(tmp_path: Any) -> None:
    kinds = (Model, Streams, Forwards, Limited, Portable)
    connections: list[tuple[Any, tuple[Any, ...]]] = [
        (OpenAIModel("m", base_urls=["http://localhost:1"]), kinds),
        (LocalModel(), (Model, Streams, Forwards)),
        (SimulatedModel(Simulation()), (Model, Streams)),
        (RecordedModel(tmp_path), (Model,)),
    ]
    for connection, can in connections:
        assert tuple(kind for kind in kinds if isinstance(connection, kind)) == can


async def test_a_connection_without_anything_to_open() -> None:
    connection = AlwaysOpen()
    async with connection as opened:
        assert opened is connection
    with pytest.raises(ValueError, match="passes"):
        async with connection:
            raise ValueError("passes")
