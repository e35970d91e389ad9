"""Fields of classes become options, and what options hold beyond plain values is read or refused in a sentence."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import typer
from rich.emoji import Emoji
from typer.testing import CliRunner

from selfagg import cli
from selfagg._internal.arguments import pairs
from selfagg.cli.generate import FLAGS, command, json_object, request_fields, size_read
from selfagg.errors import UsageError


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
