"""The options that several commands share, in groups: a command takes a group as one typed parameter."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer

if TYPE_CHECKING:
    from selfagg.engine.engine import Settings
    from selfagg.methods import Method
    from selfagg.models import Access

MODEL, METHOD, SAMPLING, QUESTIONS, RUN = "Model", "Method", "Sampling", "Questions", "Run"
"""The headings under which ``--help`` lists the options."""

Schedule = Literal["free", "stepwise"]
Choice = Literal["sample", "majority"]

Order = Annotated[
    str | None,
    typer.Option(
        help="Order of the candidates: random, or prefix for a server's prefix cache.", rich_help_panel=METHOD
    ),
]
StopRule = Annotated[
    str | None,
    typer.Option(
        "--stop",
        metavar="RULE",
        help="End a question early: never, unanimous, share:0.875 (of a population); for majority decided, asc:0.95.",
        rich_help_panel=METHOD,
    ),
]
Copy = Annotated[
    bool,
    typer.Option("--copy", help="Copy a set whose candidates agree instead of aggregating it.", rich_help_panel=METHOD),
]
Answer = Annotated[
    Choice | None,
    typer.Option(help="sample: a member of the last population. majority: its vote.", rich_help_panel=METHOD),
]
Barrier = Annotated[
    Schedule,
    typer.Option(help="free: no barrier between populations. stepwise: one after the other.", rich_help_panel=METHOD),
]
Shown = Annotated[
    str,
    typer.Option(
        help="What of a candidate is shown: response, reasoning, answer, tail:TOKENS.", rich_help_panel=METHOD
    ),
]
Sampled = Annotated[
    Literal["neutral", "server"],
    typer.Option(
        "--sampling",
        rich_help_panel=SAMPLING,
        help="neutral: the whole distribution, the same through every connection. server: what is not given is as the "
        "server or the checkpoint has it.",
    ),
]
ScorerName = Annotated[
    str | None,
    typer.Option(
        "--scorer", rich_help_panel=RUN, help="A scorer that a package registers (default: by the question's kind)."
    ),
]
Json = Annotated[bool, typer.Option("--json", rich_help_panel=RUN, help="Print one JSON object on stdout.")]


@dataclasses.dataclass(frozen=True)
class ModelOptions:
    """Which model, and how to get at it."""

    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="local, local:PATH.gguf, local:hf:REPOSITORY\\[:FILE], openai:NAME, hf:NAME, a model's FOLDER, "
            "vllm:NAME, simulated:SETTINGS or recorded:FILE; selfagg models lists them.",
            rich_help_panel=MODEL,
        ),
    ] = "local"
    base_url: Annotated[
        list[str] | None,
        typer.Option(
            help="Where an openai: model is served (default: OPENAI_BASE_URL); several times for several replicas.",
            rich_help_panel=MODEL,
        ),
    ] = None
    api_key_file: Annotated[
        Path | None,
        typer.Option(help="A file with the API key (default: OPENAI_API_KEY).", rich_help_panel=MODEL),
    ] = None
    header: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A further header for the server, NAME=@FILE for a secret; several times.",
            rich_help_panel=MODEL,
        ),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            help="Longest silence of an openai: server within a reply, in seconds (3600; serve: 600).",
            rich_help_panel=MODEL,
        ),
    ] = None
    context: Annotated[
        int | None,
        typer.Option(
            min=1, help="Tokens of the model's context, where the server does not say.", rich_help_panel=MODEL
        ),
    ] = None
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, help="Most calls at once (default: what the model serves well).", rich_help_panel=MODEL),
    ] = None

    patience: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Seconds to wait for an openai: server that limits the rate, loads or is gone, while it answers "
            "nobody; inf waits for ever (default: 300; serve: 30).",
            rich_help_panel=MODEL,
        ),
    ] = None

    def access(self) -> Access:
        """What a connection needs beside the model's name."""
        from selfagg.cli.values import finite
        from selfagg.models import Access

        if self.timeout is not None:
            finite("--timeout", self.timeout)
        if self.patience is not None and self.patience != math.inf:
            finite("--patience", self.patience)
        return Access(
            base_urls=tuple(self.base_url or ()),
            api_key_file=self.api_key_file,
            headers=tuple(self.header or ()),
            context=self.context,
            concurrency=self.concurrency,
            timeout_s=self.timeout,
            patience_s=self.patience,
        )


@dataclasses.dataclass(frozen=True)
class MethodOptions:
    """Which method, and how large."""

    method: Annotated[str, typer.Option(help="rsa, single, majority, self-refine, ...", rich_help_panel=METHOD)] = "rsa"
    n: Annotated[int | None, typer.Option("-n", help="Members of a population (16).", rich_help_panel=METHOD)] = None
    k: Annotated[
        int | None, typer.Option("-k", help="Candidates that an aggregation sees (4).", rich_help_panel=METHOD)
    ] = None
    t: Annotated[
        int | None, typer.Option("-t", help="Populations, the first included (10).", rich_help_panel=METHOD)
    ] = None
    order: Order = None
    stop: StopRule = None
    copy: Copy = False
    answer: Answer = None
    schedule: Barrier = "free"
    candidate: Shown = "response"

    @property
    def adaptive(self) -> dict[str, Any]:
        """What is given of stopping, copying and answering; None for what is not."""
        return {"stop": self.stop, "copy": self.copy or None, "answer": self.answer}

    def build(self) -> Method:
        """The method with its settings; raises `UsageError` where they are impossible."""
        from selfagg.methods import method_named

        return method_named(self.method, n=self.n, k=self.k, t=self.t, order=self.order, **self.adaptive)


@dataclasses.dataclass(frozen=True)
class SamplingOptions:
    """How replies are sampled."""

    temperature: Annotated[float, typer.Option(min=0.0, rich_help_panel=SAMPLING, help="Sampling temperature.")] = 1.0
    top_p: Annotated[float | None, typer.Option(min=0.0, max=1.0, rich_help_panel=SAMPLING, help="Nucleus mass.")] = (
        None
    )
    sampling: Sampled = "neutral"
    max_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            rich_help_panel=SAMPLING,
            help="Most tokens of one reply (8192, or a quarter of a smaller context).",
        ),
    ] = None
    stop_string: Annotated[
        list[str] | None, typer.Option(rich_help_panel=SAMPLING, help="A string that ends a reply; several times.")
    ] = None
    reasoning_effort: Annotated[
        str | None, typer.Option(rich_help_panel=SAMPLING, help="low, medium, high, for models that know it.")
    ] = None
    extra_body: Annotated[
        str | None,
        typer.Option(metavar="JSON", rich_help_panel=SAMPLING, help="Further fields for the server's request body."),
    ] = None
    seed: Annotated[
        int, typer.Option(rich_help_panel=SAMPLING, help="Decides the aggregation sets and the members' seeds.")
    ] = 1234

    def settings(self, candidate: str, *, logprobs: bool = False) -> Settings:
        """How a run samples; raises `UsageError` for values that cannot be."""
        from selfagg.cli.values import finite, request_fields
        from selfagg.engine.engine import Settings
        from selfagg.errors import UsageError
        from selfagg.prompts.candidates import view_named
        from selfagg.types import Sampling

        view_named(candidate)
        if "" in (self.stop_string or ()):
            raise UsageError("--stop-string: an empty text would end every reply before it begins")
        sampling = Sampling(
            temperature=finite("--temperature", self.temperature),
            top_p=None if self.top_p is None else finite("--top-p", self.top_p),
            max_tokens=self.max_tokens,
            stop=tuple(self.stop_string or ()),
            reasoning_effort=self.reasoning_effort,
            logprobs=logprobs,
            extra_body=request_fields("--extra-body", self.extra_body),
            server_defaults=self.sampling == "server",
        )
        return Settings(sampling, self.seed, candidate)


@dataclasses.dataclass(frozen=True)
class QuestionOptions:
    """Which questions of a source."""

    size: Annotated[
        str | None,
        typer.Option(metavar="N|all", rich_help_panel=QUESTIONS, help="How many questions (the source's own default)."),
    ] = None
    data: Annotated[
        Path | None,
        typer.Option(rich_help_panel=QUESTIONS, help="A file or folder to read the benchmark from, not the hub."),
    ] = None
    data_seed: Annotated[int, typer.Option(rich_help_panel=QUESTIONS, help="Seed of questions that are generated.")] = 0
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", rich_help_panel=QUESTIONS, help="A setting of the task; several times."
        ),
    ] = None
    examples: Annotated[
        int, typer.Option(min=0, rich_help_panel=QUESTIONS, help="Worked examples to set before each question.")
    ] = 0


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """Where a run is kept and how it reports."""

    record: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=RUN,
            help="The run's file: a new one, or one to go on with (default: a new one under runs/).",
        ),
    ] = None
    as_json: Json = False


@dataclasses.dataclass(frozen=True)
class BatchOptions:
    """Where several runs are kept and how they report."""

    out: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=RUN,
            help="The folder of the runs' records: a new one, or one to go on with (default: a new one under runs/).",
        ),
    ] = None
    as_json: Json = False


@dataclasses.dataclass(frozen=True)
class DryRunOptions:
    """What a run would cost, without a model."""

    dry_run: Annotated[
        bool, typer.Option("--dry-run", rich_help_panel=RUN, help="Print calls and estimated tokens, and ask nothing.")
    ] = False
    expect_tokens: Annotated[
        int | None,
        typer.Option(min=1, rich_help_panel=RUN, help="Tokens of a reply, for --dry-run (default: --max-tokens)."),
    ] = None


@dataclasses.dataclass(frozen=True)
class CodeOptions:
    """Where programs run that a model wrote."""

    sandbox: Annotated[
        Literal["bubblewrap", "docker", "podman"] | None,
        typer.Option(rich_help_panel=RUN, help="Where programs run (default: the first of these that works here)."),
    ] = None
    unprotected: Annotated[
        bool,
        typer.Option(
            "--unsafe-run-code-unprotected",
            rich_help_panel=RUN,
            help="Run programs that a model wrote without a sandbox, with all your rights.",
        ),
    ] = False


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Gives typer each field of a command's option groups as an option of its own.

    Args:
        command: A function; those of its parameters whose types are dataclasses are groups.
    """
    hints = get_type_hints(command, include_extras=True)
    parameters = inspect.signature(command).parameters
    groups: dict[str, type[Any]] = {
        name: hint
        for name, hint in hints.items()
        if name in parameters and isinstance(hint, type) and dataclasses.is_dataclass(hint)
    }
    flat: list[inspect.Parameter] = []
    for name, parameter in parameters.items():
        if name not in groups:
            flat.append(parameter.replace(annotation=hints[name]))
            continue
        fields = get_type_hints(groups[name], include_extras=True)
        flat += [
            inspect.Parameter(field.name, parameter.kind, default=field.default, annotation=fields[field.name])
            for field in dataclasses.fields(groups[name])
        ]

    def called(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in dataclasses.fields(group)})
        command(**given)

    called.__doc__ = command.__doc__
    called.__name__ = command.__name__
    called.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in flat}
    return called


__all__ = [
    "Barrier",
    "BatchOptions",
    "Choice",
    "CodeOptions",
    "DryRunOptions",
    "Json",
    "MethodOptions",
    "ModelOptions",
    "Order",
    "QuestionOptions",
    "RunOptions",
    "Sampled",
    "SamplingOptions",
    "ScorerName",
    "Shown",
    "spread",
]
