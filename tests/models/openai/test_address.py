"""Base URLs as people write them."""

from __future__ import annotations

import pytest

from selfagg.errors import UsageError
from selfagg.models.openai.address import read_address


@pytest.mark.parametrize(
    ("given", "url", "other"),
    [
        ("http://host:8000", "http://host:8000/v1", "http://host:8000"),
        ("http://host:8000/", "http://host:8000/v1", "http://host:8000"),
        ("http://host/v1//", "http://host/v1", "http://host"),
        ("  http://host/v1 ", "http://host/v1", "http://host"),
        ("https://host/v1/chat/completions", "https://host/v1", "https://host"),
        ("https://host/v1/models", "https://host/v1", "https://host"),
        ("https://host/chat/completions", "https://host/v1", "https://host"),
        ("https://openrouter.ai/api", "https://openrouter.ai/api", "https://openrouter.ai/api/v1"),
        ("https://host/v1beta/openai/", "https://host/v1beta/openai", None),
        ("https://host/api/v3", "https://host/api/v3", None),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1", "http://[::1]:8000"),
        ("HTTP://Host/v1", "http://host/v1", "http://host"),
    ],
)
def test_what_is_understood(given: str, url: str, other: str | None) -> None:
    address = read_address(given)
    assert (address.url, address.other) == (url, other)
    assert address.at("models") == f"{url}/models"


def test_user_password_and_query_are_sent_and_not_shown() -> None:
    address = read_address("https://me:p%40ss@host/openai/deployments/x?api-version=2024-10-21&key=hidden")
    assert address.url == "https://host/openai/deployments/x"
    assert address.at("chat/completions").endswith("/chat/completions?api-version=2024-10-21&key=hidden")
    assert address.at("models?after=3").endswith("/models?after=3&api-version=2024-10-21&key=hidden")
    assert address.basic == "Basic bWU6cEBzcw=="
    assert {"p@ss", "hidden", "bWU6cEBzcw=="} <= set(address.secrets)
    assert "2024-10-21" not in address.secrets


@pytest.mark.parametrize(
    ("location", "url", "base"),
    [
        ("https://host/v1/chat/completions", "https://host/v1/chat/completions", "https://host/v1"),
        ("http://host:81/v1/chat/completions", "http://host:81/v1/chat/completions", "http://host:81/v1"),
        ("/llm/v1/chat/completions", "http://host/llm/v1/chat/completions", "http://host/llm/v1"),
        ("/elsewhere", "http://host/elsewhere", "http://host/v1"),
    ],
)
def test_a_redirect_is_followed_on_the_same_host(location: str, url: str, base: str) -> None:
    address = read_address("http://host/v1")
    target, moved = address.moved(address.at("chat/completions"), location)
    assert (target, moved.url) == (url, base)


@pytest.mark.parametrize(
    ("base", "location"),
    [("http://host/v1", "https://login.other/sso?next=1"), ("https://host/v1", "http://host/v1/chat/completions")],
)
def test_a_redirect_away_is_refused_and_told(base: str, location: str) -> None:
    address = read_address(base)
    with pytest.raises(UsageError, match=rf"redirects to {location.partition('?')[0]}; if you trust"):
        address.moved(address.at("chat/completions"), location)
