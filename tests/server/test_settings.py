"""The operator's settings: keys, addresses, and what is refused before the server starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from selfagg.errors import UsageError
from selfagg.server.settings import ServerLimits, ServeSettings, check_address, is_loopback, read_keys

SITE = "https://chat.example.org"


@pytest.mark.parametrize(
    ("host", "fine"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_another_address_than_this_machines_own_needs_a_key(host: str, fine: bool) -> None:
    check_address(host, ServeSettings(keys=("key",)))
    if fine:
        check_address(host, ServeSettings())
    else:
        with pytest.raises(UsageError, match="--client-keys"):
            check_address(host, ServeSettings())


def test_keys_come_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "keys"
    file.write_text("# ours\nfirst\n\n second \n")
    assert read_keys(file) == ("first", "second")
    monkeypatch.setenv("SELFAGG_API_KEYS", "a, b,")
    assert read_keys(None) == ("a", "b")
    file.write_text("\n")
    with pytest.raises(UsageError, match="holds none"):
        read_keys(file)
    file.write_text("good\nsécond\n")
    with pytest.raises(UsageError, match="key 2 holds characters"):
        read_keys(file)
    with pytest.raises(UsageError, match="cannot read"):
        read_keys(tmp_path / "missing")


@pytest.mark.parametrize(
    "origin", ["example.org", "https://example.org/", "https://example.org/chat", "", "https://*.org"]
)
def test_what_is_no_origin_is_named(origin: str) -> None:
    with pytest.raises(UsageError, match="--allow-origin"):
        check_address("127.0.0.1", ServeSettings(allow_origins=(origin,)))


def test_all_sites_need_a_key() -> None:
    with pytest.raises(UsageError, match="every page on the web"):
        check_address("127.0.0.1", ServeSettings(allow_origins=("*",)))
    check_address("127.0.0.1", ServeSettings(allow_origins=("*",), keys=("k",)))
    check_address("127.0.0.1", ServeSettings(allow_origins=(SITE, "chrome-extension://abc", "http://10.0.0.2:3000")))


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_only_this_machines_own_names_are_loopback(host: str, own: bool) -> None:
    assert is_loopback(host) is own


@pytest.mark.parametrize("name", ["n", "k", "t", "open_requests", "body_bytes", "bodies_at_once"])
def test_a_bound_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is 0"):
        ServerLimits(**{name: 0})
    if name in "nkt":
        with pytest.raises(UsageError, match=f"{name} is 0"):
            ServeSettings(**{name: 0})  # type: ignore[arg-type]


def test_the_default_methods_sizes_and_rules_are_those_of_rsa_alone() -> None:
    assert ServeSettings(n=6, stop="never").rsa == {"n": 6, "k": 4, "t": 5, "stop": "never", "copy": True}
    assert ServeSettings(method="majority").rsa == {}


def test_a_key_is_never_shown() -> None:
    assert "secret" not in repr(ServeSettings(keys=("secret",)))
