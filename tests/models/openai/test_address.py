"""Base URLs as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from selfagg.errors import UsageError
from selfagg.models.openai.address import NO_KEY, Credentials, read_address, read_header, read_key


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
    secrets = set(Credentials("key", None).secrets(address))
    assert {"p@ss", "hidden", "bWU6cEBzcw=="} <= secrets
    assert "2024-10-21" not in secrets


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


LOCAL = read_address("http://localhost:8000/v1")


@pytest.mark.parametrize(
    "text",
    [
        "sk-abc123",
        "\ufeffsk-abc123\r\n",
        "sk-abc123\n\n",
        '"sk-abc123"\n',
        "'sk-abc123'",
        "Bearer sk-abc123",
        "OPENAI_API_KEY=sk-abc123",
        "export OPENAI_API_KEY='sk-abc123'\n",
        "set OPENAI_API_KEY=sk-abc123\r\n",
        '$env:OPENAI_API_KEY = "sk-abc123"',
        "# my key\nMISTRAL_API_KEY=sk-abc123",
        "OTHER_KEY=1\nexport OPENAI_API_KEY=sk-abc123\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_file_with_a_key(text: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(text.encode(encoding))
    assert read_key(None, path) == "sk-abc123"


@pytest.mark.parametrize("text", ["two\nlines", "a b", "schlüssel", "A_KEY=1\nB_KEY=2", '""'])
def test_what_cannot_be_a_key_is_told(text: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="holds characters that no key has"):
        read_key(None, path)


def test_a_key_that_looks_like_a_setting_is_left_as_it_is() -> None:
    assert read_key("QUJD==", None) == "QUJD=="


def test_a_renewed_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old")
    credentials = Credentials(None, path)
    assert not credentials.renew("old")
    path.write_text("new")
    assert credentials.renew("old")
    assert credentials.key == "new"
    assert credentials.renew("old")  # another call has renewed it already
    assert not Credentials("given", path).renew("given")


def test_headers_of_each_kind_of_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_PROJECT_ID", "p1")
    keys = Credentials("sk-1", None)
    assert keys.headers(LOCAL) == {"Authorization": "Bearer sk-1", "OpenAI-Project": "p1"}
    assert keys.headers(LOCAL, "theirs")["Authorization"] == "Bearer theirs"
    assert keys.headers(read_address("http://me:word@host"))["Authorization"].startswith("Basic ")
    azure = read_address("https://x.openai.azure.com/openai/v1")
    assert keys.headers(azure) == {"api-key": "sk-1", "OpenAI-Project": "p1"}
    assert Credentials("eyJ0eXAi", None).headers(azure)["Authorization"] == "Bearer eyJ0eXAi"
    assert Credentials(None, None).headers(LOCAL)["Authorization"] == f"Bearer {NO_KEY}"


def test_further_headers_win_and_are_secrets(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("hidden-token\n")
    keys = Credentials("sk-1", None, ["X-Title=selfagg", "cf-access: abcd", f"authorization=@{path}"])
    sent = keys.headers(LOCAL)
    assert sent == {"X-Title": "selfagg", "cf-access": "abcd", "authorization": "hidden-token"}
    assert {"selfagg", "abcd", "hidden-token", "sk-1"} == set(keys.secrets(LOCAL))


@pytest.mark.parametrize("word", ["no value", "=x", "X-A=two\nlines", "X-A=ü", "X-A=@/no/such/file"])
def test_what_is_no_header(word: str) -> None:
    with pytest.raises(UsageError, match="header"):
        read_header(word)
