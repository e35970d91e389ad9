"""The settings that several commands share and that the library has no class for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from selfagg._internal.arguments import check_amounts, check_times
from selfagg.benchmarks.base import Selection
from selfagg.evaluation.budget import Preset, preset_sampling, sized_method
from selfagg.methods import METHODS, RSA, Method
from selfagg.models import Access
from selfagg.prompts.fit import DEFAULT_MAX_TOKENS
from selfagg.prompts.prompt import candidate_format_named
from selfagg.run.engine import Settings
from selfagg.run.runner import Schedule


@dataclass(frozen=True)
class ModelChoice:
    """The choice of a model, and its address.

    Attributes:
        model: local, local:PATH.gguf, local:hf:REPOSITORY[:FILE], openai:NAME, hf:NAME, a model's FOLDER, vllm:NAME or
            simulated:SETTINGS or recorded:FILE; selfagg models lists them.
    """

    model: str = "local"
    access: Access = field(default_factory=Access)


@dataclass(frozen=True)
class MethodOptions:
    """The settings of methods that the user names, and how they run.

    Attributes:
        schedule: free: no barrier between populations. stepwise: one after the other.
    """

    given: Mapping[str, Any] = field(default_factory=dict, metadata={"any_of": tuple(METHODS.values())})
    schedule: Schedule = "free"


@dataclass(frozen=True)
class MethodChoice(MethodOptions):
    """The choice of a method, and its settings.

    Attributes:
        method: rsa, single, majority, self-refine, ...
    """

    method: str = RSA.name

    def build(self, preset: Preset | None = None) -> Method:
        """Return the method; raise UsageError if its settings are impossible."""
        return sized_method(self.method, preset, self.given)


def preset_settings(preset: Preset | None, settings: Settings, model: str) -> Settings:
    """Return the settings with the preset's sampling; raise UsageError if a number of it is impossible."""
    check_times(settings.sampling)
    candidate_format_named(settings.candidate)
    return replace(settings, sampling=preset_sampling(preset, settings.sampling, model))


@dataclass(frozen=True)
class DryRunOptions:
    """The price of a run, without a model.

    Attributes:
        dry_run: Print calls and estimated tokens, and ask nothing.
        expect_tokens: Tokens of a reply, for --dry-run (default: --max-tokens).
    """

    dry_run: bool = False
    expect_tokens: int | None = None

    def reply_tokens(self, settings: Settings) -> int:
        """Return the tokens that a reply is taken to have."""
        check_amounts(expect_tokens=self.expect_tokens)
        check_times(settings.sampling)
        return self.expect_tokens or settings.sampling.max_tokens or DEFAULT_MAX_TOKENS


@dataclass(frozen=True)
class CodeOptions:
    """The sandbox for programs that a model wrote.

    Attributes:
        sandbox: Sandbox for programs (default: the first of these that works here).
        unprotected: Run programs that a model wrote without a sandbox, with all your rights.
    """

    sandbox: Literal["bubblewrap", "docker", "podman"] | None = None
    unprotected: bool = False


@dataclass(frozen=True)
class ExperimentOptions:
    """Everything that compare and sweep have in common.

    Attributes:
        out: The folder of the runs' records: a new one, or one to go on with (default: a new one under runs/).
    """

    questions: Selection
    method: MethodOptions
    model: ModelChoice
    settings: Settings
    code: CodeOptions
    dry: DryRunOptions
    out: Path | None = None
    as_json: bool = False
