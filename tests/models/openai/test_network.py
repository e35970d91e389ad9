"""Proxies and certificates as the environment names them."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi
import pytest

from selfagg.errors import UsageError
from selfagg.models.openai import network


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", *network._BUNDLES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "http://host/v1", None),
        ({"HTTP_PROXY": "http://p:3128"}, "http://host/v1", "http://p:3128"),
        ({"HTTP_PROXY": "p:3128"}, "http://host/v1", "http://p:3128"),
        ({"HTTP_PROXY": "http://p:3128"}, "https://host/v1", None),
        ({"HTTPS_PROXY": "http://p:3128"}, "https://host/v1", "http://p:3128"),
        ({"ALL_PROXY": "socks5://p:1080"}, "https://host/v1", "socks5://p:1080"),
        ({"HTTP_PROXY": "http://p:3128", "NO_PROXY": "localhost,127.0.0.1"}, "http://127.0.0.1:8000/v1", None),
        ({"HTTP_PROXY": "http://p:3128", "NO_PROXY": ".corp.example"}, "http://llm.corp.example/v1", None),
        ({"HTTP_PROXY": "http://p:3128", "NO_PROXY": "*"}, "http://host/v1", None),
        ({"HTTP_PROXY": "http://p:3128", "NO_PROXY": "10.0.0.0/8, x"}, "http://10.1.2.3/v1", None),
        ({"HTTP_PROXY": "http://p:3128", "NO_PROXY": "10.0.0.0/8"}, "http://11.1.2.3/v1", "http://p:3128"),
    ],
)
def test_which_proxy(environment: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert network.proxy_for(url) == proxy


def test_a_proxy_is_shown_without_its_password() -> None:
    assert network.shown("http://me:word@p:3128") == "http://p:3128"


def test_socks_needs_a_package_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "aiohttp_socks", None)
    with pytest.raises(UsageError, match=r"socks5://p:1080 is a SOCKS proxy, which needs: pip install aiohttp-socks"):
        network.open_session("socks5://me:word@p:1080")


@pytest.mark.parametrize("variable", network._BUNDLES)
def test_certificates_of_each_variable(variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(variable, certifi.where())
    context = network.tls()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.cert_store_stats()["x509_ca"] > 50
    monkeypatch.setenv(variable, str(tmp_path))  # a folder of certificates, as OpenSSL keeps them
    network.tls()
    monkeypatch.setenv(variable, str(tmp_path / "none.pem"))
    with pytest.raises(UsageError, match=rf"{variable} names .*none.pem, which holds no certificates"):
        network.tls()
