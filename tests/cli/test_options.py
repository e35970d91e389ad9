"""Option groups become options, and what options hold beyond plain values is read or refused in a sentence."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer

from selfagg.cli import stopping
from selfagg.cli.options import MethodOptions, ModelOptions, SamplingOptions, spread
from selfagg.cli.terminal import harmless, one_line
from selfagg.cli.values import json_object, pairs, size, utf8
from selfagg.errors import UsageError


@dataclass(frozen=True)
class Colours:
    red: Annotated[int, typer.Option(help="How red.")] = 1
    blue: Annotated[list[str] | None, typer.Option(help="How blue.")] = None


def test_a_group_is_spread_into_options_and_put_together_again() -> None:
    calls = []

    @spread
    def paint(wall: str, colours: Colours, coats: int = 2) -> None:
        """Paints."""
        calls.append((wall, colours, coats))

    assert list(inspect.signature(paint).parameters) == ["wall", "red", "blue", "coats"]
    app = typer.Typer()
    app.command()(paint)
    app(["north", "--red", "7", "--blue", "sky", "--blue", "sea", "--coats", "3"], standalone_mode=False)
    assert calls == [("north", Colours(7, ["sky", "sea"]), 3)]


def test_options_say_what_the_library_takes() -> None:
    access = ModelOptions(base_url=["http://a", "http://b"], context=100, concurrency=3).access()
    assert (access.base_urls, access.context, access.concurrency) == (("http://a", "http://b"), 100, 3)
    access = ModelOptions(header=["X-A=1"], timeout=9.0).access()
    assert (access.headers, access.timeout_s) == (("X-A=1",), 9.0)
    method = MethodOptions(n=8, k=2, t=3, order="prefix").build()
    assert method.settings() == {"name": "rsa", "n": 8, "t": 3, "k": 2, "order": "prefix"}
    settings = SamplingOptions(temperature=0.5, stop_string=["END"], extra_body='{"top_k": 5}').settings("answer")
    assert settings.candidate == "answer"
    assert (settings.sampling.temperature, settings.sampling.stop) == (0.5, ("END",))
    assert settings.sampling.extra_body == {"top_k": 5}


def test_values() -> None:
    assert json_object("--extra-body", None) == {}
    assert pairs("--set", ["a=1", "b=x=y"]) == {"a": "1", "b": "x=y"}
    assert [size(None), size("all"), size("12")] == [None, "all", 12]


@pytest.mark.parametrize("text", ["a", "=1", ""])
def test_pairs_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="KEY=VALUE"):
        pairs("--set", [text])


def test_a_setting_given_twice() -> None:
    with pytest.raises(UsageError, match="twice"):
        pairs("--set", ["a=1", "a=2"])


@pytest.mark.parametrize("text", ["few", "1.5", "²", ""])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="--size"):
        size(text)


def test_text_that_is_not_utf8() -> None:
    assert utf8("stdin", "ß ·".encode()) == "ß ·"
    with pytest.raises(UsageError, match=r"stdin is not UTF-8 text \(byte 3\)"):
        utf8("stdin", b"ab\xff")


@pytest.mark.parametrize("name", ["messages", "model", "n", "stream"])
def test_fields_that_are_selfaggs_own_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"--extra-body: {name} is not yours to set"):
        SamplingOptions(extra_body=f'{{"{name}": 1}}').settings("response")


def test_a_number_that_json_has_not() -> None:
    with pytest.raises(UsageError, match="NaN is no JSON number"):
        json_object("--extra-body", '{"top_k": NaN}')


def test_json_nested_without_end() -> None:
    with pytest.raises(UsageError, match="nested"):
        json_object("--extra-body", "[" * 100_000)


def test_the_command_to_go_on_with_names_the_record_once_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["/bin/selfagg", "eval", "my file.jsonl", "--base-url", "http://me:pw@host/v1?key=secret"]
    monkeypatch.setattr("sys.argv", words)
    said = "selfagg eval 'my file.jsonl' --base-url 'http://***host/v1?***' --record runs/a.sqlite"
    assert stopping.command_line(Path("runs/a.sqlite")) == said
    headers = ["--header", "X-A=secret", "--header=X-B: secret", "--header", "X-C=@token"]
    monkeypatch.setattr("sys.argv", [*words[:2], *headers])
    assert stopping.command_line() == "selfagg eval --header 'X-A=***' '--header=X-B:***' --header X-C=@token"
    monkeypatch.setattr("sys.argv", [*words[:3], "--record=b.sqlite"])
    assert stopping.command_line(Path("b.sqlite")) == "selfagg eval 'my file.jsonl' --record=b.sqlite"


def test_model_text_cannot_steer_the_terminal() -> None:
    hostile = "a\x1b[2Jb\x9b31mc\rd\u202ee\n\tf"
    assert harmless(hostile) == "a[2Jb31mcde\n\tf"
    assert one_line("x\ny  z" * 10, 8) == "x y zx …"


def test_patience_may_be_endless_but_no_riddle() -> None:
    access = ModelOptions(patience=math.inf, timeout=5.0).access()
    assert (access.patience_s, access.timeout_s) == (math.inf, 5.0)
    with pytest.raises(UsageError, match="--patience: nan"):
        ModelOptions(patience=math.nan).access()
    with pytest.raises(UsageError, match="--timeout: inf"):
        ModelOptions(timeout=math.inf).access()
