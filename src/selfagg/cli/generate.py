"""Make a command of a function: each parameter is an option, and so is each field of a parameter that is a dataclass.

A setting is declared once, where it belongs: its name, type and default as a field or a parameter, its help in the
docstring (``Attributes`` or ``Args``). Below stands what a command line alone has: flags that differ from the name.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

from selfagg._internal.arguments import check_amounts, pairs
from selfagg.benchmarks.base import Size
from selfagg.errors import UsageError
from selfagg.prompts.wording import Wording
from selfagg.scoring.base import Scorer

FLAGS: Mapping[str, tuple[str, ...]] = {
    "model": ("--model", "-m"),
    "Access.base_urls": ("--base-url",),
    "Access.headers": ("--header",),
    "Selection.settings": ("--set",),
    "Sampling.stop": ("--stop-string",),
    "server_defaults": ("--sampling",),
    "routes": ("--route",),
    "allow_origins": ("--allow-origin",),
    "ServerLimits.n": ("--max-n",),
    "ServerLimits.k": ("--max-k",),
    "ServerLimits.t": ("--max-t",),
    "ServerLimits.open_requests": ("--max-requests",),
    "ServerLimits.body_bytes": ("--max-body-mb",),
    "RLSettings.learning_rate": ("--lr",),
    "out": ("--out", "-o"),
    "as_json": ("--json",),
    "unprotected": ("--unsafe-run-code-unprotected",),
}
"""Flags of a field (``Class.field``) or of a parameter, where they are not its name."""

PANELS: Mapping[str, str] = {
    "Access": "Model",
    "ServerLimits": "Limits",
    "MethodChoice": "Method",
    "MethodOptions": "Method",
    "ModelChoice": "Model",
    "RLSettings": "Training",
    "RSA": "Evaluation",
    "Recipe": "Training set",
    "Sampling": "Sampling",
    "Selection": "Questions",
    "RequestDefaults": "Answers",
    "ServeSettings": "Server",
    "Settings": "Method",
}
"""Heading under which ``--help`` lists the options of a class; ``Run`` for all others."""

HELP: Mapping[str, str] = {
    "as_json": "Print one JSON object on stdout.",
    "preset": "paper: N=16 K=4 T=10, 8192 tokens, voting over N x T. quick: N=4 K=2 T=3. Other options win.",
    "record": "The run's file: a new one, or one to go on with (default: a new one under runs/).",
    "source": "A benchmark, reasoning_gym:TASK[,TASK...], or a file: JSON lines, JSON or parquet.",
}
"""Help of a parameter that several commands have, where a command's own docstring says nothing of it."""

NO_OPTIONS = frozenset(
    {
        "RLSettings.repeats",
        "Access.whole_s",
        "Access.retries",
        "ServerLimits.bodies_at_once",
        "ServeSettings.keep_alive_s",
    }
)
"""Fields that the command line does not set. A field that `repr` hides, as a key, is none either."""


def json_object(option: str, text: str) -> Mapping[str, Any]:
    """Return a JSON object; raise UsageError if the text is none."""

    def no_number(word: str) -> float:
        raise UsageError(f"{word} is no JSON number")

    try:
        value = json.loads(text, parse_constant=no_number)
    except json.JSONDecodeError as error:
        raise UsageError(f"{option}, column {error.pos + 1}: not valid JSON ({error.msg})") from None
    except RecursionError:
        raise UsageError(f"{option}: the JSON is nested too deeply") from None
    if not isinstance(value, dict):
        raise UsageError(f"{option} must be a JSON object such as '{{\"top_k\": 20}}'")
    return value


def request_fields(option: str, text: str) -> Mapping[str, Any]:
    """Return a JSON object of fields for a request's body; raise UsageError for one that selfagg writes itself."""
    fields = json_object(option, text)
    for name in ("messages", "model", "n", "stream"):
        if name in fields:
            raise UsageError(f"{option}: {name} is not yours to set, it differs from call to call or is selfagg's own")
    return fields


def size_read(option: str, text: str) -> int | Literal["all"]:
    """Return a number of questions, or ``all``."""
    if text == "all":
        return "all"
    if not text.isascii() or not text.removeprefix("-").isdigit():
        raise UsageError(f"{option} {text!r}: it must be a whole number or all")
    return int(text)


def _scorer(_: str, name: str) -> Scorer | None:
    from selfagg.scoring.given import scorer_given

    return scorer_given(name)


def _megabytes(_: str, number: int) -> int:
    check_amounts(body_bytes=number)
    return number * 2**20


@dataclass(frozen=True, slots=True)
class Reader:
    """The reading of an option whose type no command line has.

    ``hint`` is the type that typer reads; ``read(flag, given)`` makes the value of it, None stands for the default;
    ``metavar`` is the placeholder in ``--help``, and ``shown`` makes what it shows of the default.
    """

    hint: Any
    read: Callable[[str, Any], Any]
    metavar: str | None = None
    shown: Callable[[Any], Any] = lambda default: None


READERS: Mapping[Any, Reader] = {
    tuple[str, ...]: Reader(list[str], lambda _, given: tuple(given)),
    Mapping[str, str]: Reader(list[str], pairs, "KEY=VALUE"),
    Mapping[str, Any]: Reader(str, request_fields, "JSON"),
    Size: Reader(str, size_read, "N|all"),
    Wording: Reader(Path, lambda _, given: Wording.read(given), "FILE"),
    Scorer | None: Reader(str, _scorer, "NAME"),
    "server_defaults": Reader(
        Literal["neutral", "server"], lambda _, given: given == "server", shown=lambda given: "neutral"
    ),
    "ServerLimits.body_bytes": Reader(int, _megabytes, shown=lambda given: given // 2**20),
}
"""The readers of options, by type or by ``Class.field``."""


@dataclass(frozen=True, slots=True)
class Source:
    """The place where a setting is declared; ``owner`` is the class, or ``""`` for the command itself."""

    name: str
    hint: Any
    default: Any
    help: str
    owner: str = ""

    @property
    def key(self) -> str:
        """Return ``Class.field``, or the parameter's name."""
        return f"{self.owner}.{self.name}" if self.owner else self.name

    @property
    def flags(self) -> tuple[str, ...]:
        """Return the flags: the name with dashes, seconds without ``_s``, one letter with one dash too."""
        if own := FLAGS.get(self.key) or FLAGS.get(self.name):
            return own
        name = self.name.removesuffix("_s").strip("_").replace("_", "-")
        return (f"--{name}", f"-{name}") if len(name) == 1 else (f"--{name}",)


@dataclass
class _Options:
    """The options of a command, as typer takes them, and what becomes of their values."""

    parameters: dict[str, inspect.Parameter] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    flags: dict[str, str] = field(default_factory=dict)

    def add(self, source: Source, *, positional: bool = False) -> Callable[[Mapping[str, Any]], Any]:
        """Add an option; return what gives its value, given all that typer read."""
        reader = READERS.get(source.key) or READERS.get(source.name) or READERS.get(source.hint)
        hint, default = (source.hint, source.default) if reader is None else (reader.hint, reader.shown(source.default))
        if reader is not None and default is None:
            hint |= None
        made = typer.Argument if positional else typer.Option
        flags = () if positional else source.flags
        panel: Any = {} if positional else {"rich_help_panel": PANELS.get(source.owner, "Run")}
        both = [f"{flag}/--no-{flag[2:]}" if default is True else flag for flag in flags]
        about = made(*both, help=source.help.replace("[", "\\["), metavar=reader.metavar if reader else None, **panel)
        name = source.key.replace(".", "_")
        self.taken |= set(flags)
        self.flags |= {source.name: flags[0]} if flags else {}
        self.parameters[name] = inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[hint, about]
        )
        if reader is None:
            return lambda given: given[name]
        read, flag, own = reader.read, flags[0] if flags else source.name, source.default
        return lambda given: own if given[name] is None or given[name] == [] else read(flag, given[name])

    def group(self, cls: type[Any]) -> Callable[[Mapping[str, Any]], Any]:
        """Add the fields of a dataclass, nested ones too; return what makes an object of it."""
        parts: dict[str, Callable[[Mapping[str, Any]], Any]] = {}
        own = {source.name: source.flags[0] for source, _ in _fields(cls)}
        for source, of in _fields(cls):
            if of is not None:
                parts[source.name] = self._any_of(of)
            elif _is_group(source.hint):
                parts[source.name] = self.group(source.hint)
            elif not set(source.flags) & self.taken:  # an option of the command itself comes before a class's
                parts[source.name] = self.add(source)

        def made(given: Mapping[str, Any]) -> Any:
            try:
                return cls(**{name: part(given) for name, part in parts.items()})
            except UsageError as error:  # of two classes that have a field of one name
                raise UsageError(_with_flag(str(error), own)) from None

        return made

    def _any_of(self, classes: Iterable[type[Any]]) -> Callable[[Mapping[str, Any]], Any]:
        """Add each field that some of these classes has; return what gives those that the user names."""
        parts: dict[str, Callable[[Mapping[str, Any]], Any]] = {}
        for source, _ in (one for cls in classes for one in _fields(cls)):
            if source.name not in parts and not set(source.flags) & self.taken:
                told = f"{source.help.rstrip('.')} ({source.default})."
                parts[source.name] = self.add(Source(source.name, source.hint | None, None, told, "MethodChoice"))
        return lambda given: {name: value for name, part in parts.items() if (value := part(given)) is not None}


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Return a function that typer makes a command of, with each setting as an option of its own.

    Positional parameters are arguments, those after ``*`` options; one whose type is a dataclass stands for its fields.
    """
    text, told = described(function)
    hints, options, parts = get_type_hints(function), _Options(), {}
    parameters = inspect.signature(function).parameters
    own = {
        name: Source(name, hints[name], parameter.default, told.get(name) or HELP.get(name, ""))
        for name, parameter in parameters.items()
        if not _is_group(hints[name])
    }
    options.taken |= {flag for source in own.values() for flag in source.flags}
    for name, parameter in parameters.items():
        positional = parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        parts[name] = options.add(own[name], positional=positional) if name in own else options.group(hints[name])

    def called(**given: Any) -> None:
        try:
            function(**{name: part(given) for name, part in parts.items()})
        except UsageError as error:
            raise UsageError(_with_flag(str(error), options.flags)) from error

    called.__doc__ = text.replace("[", "\\[")
    called.__name__ = function.__name__
    called.__signature__ = inspect.Signature([*options.parameters.values()])  # type: ignore[attr-defined]
    called.__annotations__ = {name: one.annotation for name, one in options.parameters.items()}
    return called


def described(thing: Any) -> tuple[str, dict[str, str]]:
    """Return a docstring's text before its first section, and what it says of each attribute or argument."""
    text, *sections = re.split(r"\n\n(?:Attributes|Args):\n", inspect.getdoc(thing) or "", maxsplit=1)
    told: dict[str, str] = {}
    for line in re.split(r"\n(?=\S)", sections[0])[0].splitlines() if sections else ():
        if entry := re.match(r" {4}(\w+): (.*)", line):
            last, told[last] = entry[1], entry[2]
        elif line.strip():
            told[last] += f" {line.strip()}"
    return text, {name: words.replace("`", "") for name, words in told.items()}


def _with_flag(sentence: str, flags: Mapping[str, str]) -> str:
    """Return an error's sentence with the flag in place of the name of a setting, where it begins with one."""
    named = re.match(r"(\w+)(?= is | = |: )", sentence)
    return flags[named[1]] + sentence[named.end() :] if named and named[1] in flags else sentence


def _fields(cls: type[Any]) -> Iterable[tuple[Source, Iterable[type[Any]] | None]]:
    """Yield the fields that are options, each with the classes whose fields it stands for, if any."""
    told: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        told |= described(base)[1]
    hints = get_type_hints(cls)
    for one in dataclasses.fields(cls):
        default = one.default_factory() if callable(one.default_factory) else one.default
        empty = inspect.Parameter.empty if default is dataclasses.MISSING else default
        source = Source(one.name, hints[one.name], empty, told.get(one.name) or HELP.get(one.name, ""), cls.__name__)
        if one.repr and source.key not in NO_OPTIONS:
            yield source, one.metadata.get("any_of")


def _is_group(hint: Any) -> bool:
    return isinstance(hint, type) and dataclasses.is_dataclass(hint) and hint not in READERS
