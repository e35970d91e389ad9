"""The settings that several commands share and that the library has no class for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from selfagg._internal.arguments import check_amounts, check_times
from selfagg.benchmarks.base import Selection
from selfagg.errors import UsageError
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
class RunOptions:
    """The place of a run's record, and the reports of the run.

    Attributes:
        record: The run's file: a new one, or one to go on with (default: a new one under runs/).
        as_json: Print one JSON object on stdout.
    """

    record: Path | None = None
    as_json: bool = False


@dataclass(frozen=True)
class BatchOptions:
    """The place of several runs' records, and the reports of these runs.

    Attributes:
        out: The folder of the runs' records: a new one, or one to go on with (default: a new one under runs/).
        as_json: Print one JSON object on stdout.
    """

    out: Path | None = None
    as_json: bool = False


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
    """Everything that compare and sweep have in common."""

    questions: Selection
    method: MethodOptions
    model: ModelChoice
    settings: Settings
    batch: BatchOptions
    code: CodeOptions
    dry: DryRunOptions


@dataclass(frozen=True)
class ClusterOptions:
    """The options to split a run over many machines.

    Attributes:
        ray: Split the questions over Ray workers: local (here), auto or HOST:PORT (a cluster that runs).
        workers: Number of workers (default: one a machine, at least two; one a GPU if the model runs in the worker).
        shard: Only every Nth question, from the Ith on (I/N): one job of N, each with its own --record; then merge.
    """

    ray: str | None = None
    workers: int | None = None
    shard: str | None = None

    @property
    def part(self) -> tuple[int, int] | None:
        """Return the shard and the number of shards; raise UsageError if options do not go together."""
        if self.workers is not None and self.ray is None:
            raise UsageError("--workers needs --ray ADDRESS (local: on this machine)")
        check_amounts(workers=self.workers)
        if self.shard is None:
            return None
        if self.ray is not None:
            raise UsageError("--shard does not go with --ray, which shares the questions out itself")
        i, _, n = self.shard.partition("/")
        if not (i.isdecimal() and n.isdecimal() and 1 <= int(i) <= int(n)):
            raise UsageError(f"--shard {self.shard}: write I/N, I from 1 to N, such as 2/8")
        return int(i), int(n)
