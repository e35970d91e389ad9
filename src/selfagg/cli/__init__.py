"""The command line: a thin layer over the Python API. A new command adds its name to ``COMMANDS``.

A file of commands is imported when one of them is asked for, so that the command starts quickly.
"""

from __future__ import annotations

import errno
import gc
import io
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from selfagg._internal.blocking import heard_by
from selfagg._internal.extras import missing_extra
from selfagg.errors import SelfaggError

COMMANDS: Mapping[str, str] = {
    "runs": "solve eval compare sweep",
    "records": "analyze analyse advise merge replay report plot",
    "serving": "validate models serve batch mcp",
    "training": "train",
}
"""The files of this package, and the commands in them."""

_FUNCTIONS = {"eval": "evaluate", "analyse": "analyze"}
_SETTINGS: Any = {
    "add_completion": False,
    "pretty_exceptions_enable": False,  # its tracebacks show local variables, keys among them
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


class _Commands(Mapping[str, Any]):
    """The commands by their names, each imported when it is looked up."""

    def __init__(self) -> None:
        self._files = {name: file for file, names in COMMANDS.items() for name in names.split()}

    def __getitem__(self, name: str) -> Any:
        found = getattr(import_module(f"selfagg.cli.{self._files[name]}"), _FUNCTIONS.get(name, name))
        if not isinstance(found, typer.Typer):
            single = typer.Typer(**_SETTINGS)
            single.command(name, hidden=name == "analyse")(found)
            found = single
        made = typer.main.get_command(found)
        made.name = name
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


class _Group(TyperGroup):
    """A group of commands whose help also lists what other packages add."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = _Commands()  # type: ignore[assignment]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from selfagg.registry import GROUPS, registered

        added = [f"{group}: {', '.join(registered(group))}" for group in GROUPS if registered(group)]
        self.epilog = f"Added by other packages: {'; '.join(added)}." if added else None
        super().format_help(ctx, formatter)


app = typer.Typer(
    name="selfagg",
    cls=_Group,
    help="Recursive Self-Aggregation (arXiv 2509.26626): deeper thinking from the language model you already have.",
    no_args_is_help=True,
    **{**_SETTINGS, "add_completion": True},
)


def _version(asked: bool) -> None:
    if asked:
        from selfagg import __version__

        typer.echo(f"selfagg {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the ``selfagg`` command.

    Exit codes: 0 done, 1 the run failed, or members have no reply or no score, 2 something given cannot work,
    130 Ctrl-C, 143 SIGTERM.
    """
    run_app(app)


def run_app(app: typer.Typer) -> NoReturn:
    """Run a command line, say an error in one sentence, and end the process."""
    _keep_standard_descriptors()
    # A member in flight is some 100 objects, none of them garbage: each search walks over all that are in flight.
    often, _, oldest = gc.get_threshold()
    gc.set_threshold(max(often, 100_000) if often else 0, 2, oldest)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a model may write what the terminal's encoding lacks
    try:
        sys.exit(app(standalone_mode=False))
    except typer.TyperException as error:
        _leave(error.format_message(), error.exit_code)
    except SelfaggError as error:
        _leave(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        if (missing := missing_extra(error)) is None:
            raise
        _leave(str(missing), 2)
    except KeyboardInterrupt:
        _leave("stopped", 130)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            _leave("cannot write to where the output goes: the disk is full", 2)
        if error.filename is None:
            raise
        _leave(f"cannot use {os.fsdecode(error.filename)}: {error.strerror}", 2)  # a name too long, a circle of links


def _keep_standard_descriptors() -> None:
    """Open those of descriptors 0 to 2 that the caller closed: the next file would get such a number."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free


def _leave(sentence: str, status: int) -> NoReturn:
    """Print why, and end the process at once, with its threads that still load a model or wait for a server."""
    with heard_by(signal.SIG_IGN):
        if sentence:  # typer has said the help already where no command was given
            typer.echo(f"selfagg: {sentence}", err=True)
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, AttributeError):  # on a full disk, or closed and therefore None
                stream.flush()
        os._exit(status)
