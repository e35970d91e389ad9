"""The settings that several commands share: what they become, and which numbers and names are refused."""

from __future__ import annotations

import dataclasses
import math

import pytest
import typer
from typer.testing import CliRunner

from selfagg.cli.generate import command
from selfagg.cli.options import DryRunOptions, MethodChoice, preset_settings
from selfagg.errors import UsageError
from selfagg.methods import METHODS, Majority
from selfagg.models import Access
from selfagg.run.engine import Settings
from selfagg.types import Sampling


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


def test_a_preset_gives_sizes_and_sampling_where_the_user_names_none() -> None:
    choice = MethodChoice({"k": 3}, method="rsa")
    assert choice.build("quick").settings() == {"name": "rsa", "n": 4, "k": 3, "t": 3, "order": "random"}
    assert MethodChoice({}, method="majority").build("paper") == Majority(n=160)
    paper = preset_settings("paper", Settings(seed=7), "openai:gpt-oss-20b")
    assert (paper.seed, paper.sampling.max_tokens, paper.sampling.reasoning_effort) == (7, 8192, "medium")
    assert preset_settings("quick", Settings(seed=7), "openai:gpt-oss-20b") == Settings(seed=7)
    with pytest.raises(UsageError, match="half"):
        preset_settings(None, Settings(candidate="half"), "local")
    with pytest.raises(UsageError, match="temperature is -1"):
        preset_settings(None, Settings(Sampling(temperature=-1.0)), "local")


@pytest.mark.parametrize(
    ("expected", "most", "tokens"), [(None, None, 8192), (None, 50, 50), (500, 50, 500), (1, None, 1)]
)
def test_a_dry_run_takes_replies_to_have_the_tokens_that_are_named(
    expected: int | None, most: int | None, tokens: int
) -> None:
    settings = Settings(Sampling(max_tokens=most))
    assert DryRunOptions(expect_tokens=expected).reply_tokens(settings) == tokens


def test_a_dry_run_of_replies_without_tokens_is_refused() -> None:
    with pytest.raises(UsageError, match="expect_tokens is 0"):
        DryRunOptions(expect_tokens=0).reply_tokens(Settings())


def test_patience_may_be_endless_but_no_riddle() -> None:
    access = Access(patience_s=math.inf, timeout_s=5.0)
    assert (access.patience_s, access.timeout_s) == (math.inf, 5.0)
    with pytest.raises(UsageError, match="patience_s is nan"):
        Access(patience_s=math.nan)
    with pytest.raises(UsageError, match="timeout_s is inf"):
        Access(timeout_s=math.inf)
    with pytest.raises(UsageError, match="concurrency is 0"):
        Access(concurrency=0)
