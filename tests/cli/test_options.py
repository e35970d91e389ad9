"""Option groups become options, and what options hold beyond plain values is read or refused in a sentence."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import typer
from rich.emoji import Emoji
from typer.testing import CliRunner

from selfagg import cli
from selfagg._internal.arguments import pairs
from selfagg.cli import work
from selfagg.cli.generate import FLAGS, command, json_object, request_fields, size_read
from selfagg.cli.options import MethodChoice
from selfagg.cli.runs import numbers, utf8
from selfagg.errors import UsageError
from selfagg.methods import METHODS
from selfagg.models import Access
from selfagg.terminal import harmless, one_line


@dataclass(frozen=True)
class Colours:
    """What to paint with.

    Attributes:
        red: How red; a number
            from 0 to 255.
        blues: How blue; several times.
        secret: Never shown.
        dries_s: Seconds to dry.
    """

    red: int = 1
    blues: tuple[str, ...] = ()
    secret: str = field(default="s", repr=False)
    dries_s: float | None = None


def test_each_field_of_a_group_becomes_an_option_with_its_help() -> None:
    calls = []

    @command
    def paint(wall: str, *, colours: Colours, n: int = 2) -> None:
        """Paint a wall.

        Args:
            wall: Which [wall].
            n: Coats.

        Raises:
            ValueError: Never.
        """
        calls.append((wall, colours, n))

    app = typer.Typer()
    app.command()(paint)
    app(["north", "--red", "7", "--blues", "sky", "--blues", "sea", "-n", "3", "--dries", "5"], standalone_mode=False)
    app(["south"], standalone_mode=False)
    assert calls == [("north", Colours(7, ("sky", "sea"), dries_s=5.0), 3), ("south", Colours(), 2)]
    told = " ".join(CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).stdout.split())
    for words in ("Paint a wall.", "How red; a number from 0 to 255.", "Which [wall].", "--n -n", "[default: 2]"):
        assert words in told
    assert "secret" not in told.lower()
    assert "Never" not in told


def test_a_flag_that_is_on_by_default_can_be_switched_off() -> None:
    given: list[bool] = []

    @command
    def paint(*, gloss: bool = True) -> None:
        """Paint."""
        given.append(gloss)

    app = typer.Typer()
    app.command()(paint)
    for arguments in ([], ["--gloss"], ["--no-gloss"]):
        app(arguments, standalone_mode=False)
    assert given == [True, True, False]


def test_every_setting_of_every_method_is_an_option() -> None:
    given: list[MethodChoice] = []

    @command
    def choose(*, method: MethodChoice) -> None:
        """Choose."""
        given.append(method)

    app = typer.Typer()
    app.command()(choose)
    told = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).stdout
    for method in METHODS.values():
        for one in dataclasses.fields(method):
            assert f"--{one.name} " in told
    app(["-n", "8", "-k", "2", "--order", "prefix", "--schedule", "stepwise"], standalone_mode=False)
    (choice,) = given
    assert choice.given == {"n": 8, "k": 2, "order": "prefix"}
    assert choice.build().settings() == {"name": "rsa", "n": 8, "t": 10, "k": 2, "order": "prefix"}
    assert choice.schedule == "stepwise"


def test_every_option_of_every_command_has_its_help() -> None:
    group = typer.main.get_command(cli.app)
    commands = {**group.commands, **group.commands["train"].commands}  # type: ignore[attr-defined]
    del commands["train"]
    for name, one in commands.items():
        for parameter in one.params:
            told = getattr(parameter, "help", None)
            assert parameter.name == "help" or told, (name, parameter.name)
            assert Emoji.replace(told or "") == (told or ""), "a word between two colons is drawn as a picture"


def test_every_flag_that_is_not_a_name_is_an_option_of_a_command() -> None:
    group = typer.main.get_command(cli.app)
    commands = {**group.commands, **group.commands["train"].commands}  # type: ignore[attr-defined]
    known = {flag for one in commands.values() for parameter in one.params for flag in parameter.opts}
    assert {flag for flags in FLAGS.values() for flag in flags} <= known


@pytest.mark.parametrize("option", ["--max-n", "--max-body-mb", "--n"])
def test_a_field_that_two_classes_have_is_named_by_its_own_flag(option: str) -> None:
    outcome = CliRunner().invoke(cli.app, ["serve", "--model", "simulated:", option, "0"])
    assert str(outcome.exception) == f"{option} is 0, but it must be at least 1"


def test_values() -> None:
    assert pairs("--set", ["a=1", "b=x=y"]) == {"a": "1", "b": "x=y"}
    assert [size_read("--size", "all"), size_read("--size", "12")] == ["all", 12]
    assert numbers("--n", "4, 8") == [4, 8]


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
        size_read("--size", text)


def test_text_that_is_not_utf8() -> None:
    assert utf8("stdin", "ß ·".encode()) == "ß ·"
    with pytest.raises(UsageError, match=r"stdin is not UTF-8 text \(byte 3\)"):
        utf8("stdin", b"ab\xff")


@pytest.mark.parametrize("name", ["messages", "model", "n", "stream"])
def test_fields_that_are_selfaggs_own_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"--extra-body: {name} is not yours to set"):
        request_fields("--extra-body", f'{{"{name}": 1}}')


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
    assert work.command_line(Path("runs/a.sqlite")) == said
    headers = ["--header", "X-A=secret", "--header=X-B: secret", "--header", "X-C=@token"]
    monkeypatch.setattr("sys.argv", [*words[:2], *headers])
    assert work.command_line() == "selfagg eval --header 'X-A=***' '--header=X-B:***' --header X-C=@token"
    monkeypatch.setattr("sys.argv", [*words[:3], "--record=b.sqlite"])
    assert work.command_line(Path("b.sqlite")) == "selfagg eval 'my file.jsonl' --record=b.sqlite"


def test_model_text_cannot_steer_the_terminal() -> None:
    hostile = "a\x1b[2Jb\x9b31mc\rd\u202ee\n\tf"
    assert harmless(hostile) == "a[2Jb31mcde\n\tf"
    assert one_line("x\ny  z" * 10, 8) == "x y zx …"


def test_patience_may_be_endless_but_no_riddle() -> None:
    access = Access(patience_s=math.inf, timeout_s=5.0)
    assert (access.patience_s, access.timeout_s) == (math.inf, 5.0)
    with pytest.raises(UsageError, match="patience_s is nan"):
        Access(patience_s=math.nan)
    with pytest.raises(UsageError, match="timeout_s is inf"):
        Access(timeout_s=math.inf)
    with pytest.raises(UsageError, match="concurrency is 0"):
        Access(concurrency=0)
