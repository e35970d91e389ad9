"""Run a command's work: its model, its record, its sandbox; stopping it always says what is kept and how to go on."""

from __future__ import annotations

import asyncio
import logging
import re
import shlex
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.text import Text

from selfagg._internal.blocking import heard_by
from selfagg.analysis.missing import Missing
from selfagg.cli.options import CodeOptions, ModelChoice
from selfagg.errors import RunStopped, SelfaggError, UsageError
from selfagg.evaluation.runs import folder_for
from selfagg.models import Model, connect
from selfagg.models.base import Limited
from selfagg.progress import ProgressBar
from selfagg.record.record import Record
from selfagg.run.engine import Callback, Settings
from selfagg.run.runner import Schedule
from selfagg.terminal import one_line, say
from selfagg.types import Question

T = TypeVar("T")

FOLDER = Path("runs")

_HEADER_VALUE = re.compile(r"^((?:--header=)?[^=:]+[=:])\s*(?!@)\S.*", re.DOTALL)
_URL_SECRETS = re.compile(r"(?<=://)[^/@\s]+@|(?<=\?)\S+")


class Stopped(SelfaggError):
    """A run ended before its end: by Ctrl-C (exit code 130), SIGTERM (143), a wrong key (2), or incomplete (1)."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def run(work: Coroutine[Any, Any, T], record: Path) -> T:
    """Run ``work`` to its end; if a signal or a fault ends it, raise `Stopped`, which says what ``record`` keeps."""
    signals: list[int] = []
    runner = asyncio.Runner()
    try:
        result = runner.run(_until_terminated(work, signals))
    except (KeyboardInterrupt, asyncio.CancelledError):
        # The runner is left open: closing it would wait for its threads, and one may be loading a model.
        with heard_by(signal.SIG_IGN):  # a second one is no reason to say less
            said = f"stopped; {kept(record)}"
        raise Stopped(said, 143 if signal.SIGTERM in signals else 130) from None
    except UsageError:
        raise
    except SelfaggError as error:  # the model is gone, or a sandbox
        fatal = isinstance(error, RunStopped) and error.fatal
        raise Stopped(f"{error}; {kept(record)}", 2 if fatal else 1) from None
    runner.close()
    return result


async def _until_terminated(work: Coroutine[Any, Any, T], signals: list[int]) -> T:
    """Let SIGTERM, which a scheduler sends, stop a run as Ctrl-C does, also where Ctrl-C is ignored (a script's job).

    The first one lets the work clean up after itself, a second one does not wait for that.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101 - for the type checker

    def stop() -> None:
        signals.append(signal.SIGTERM)
        if len(signals) > 1:
            raise KeyboardInterrupt
        task.cancel()

    loop.add_signal_handler(signal.SIGTERM, stop)
    try:
        return await work
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        if signals:  # the process is about to end by itself; its default handler would cut off what it has to say
            signal.signal(signal.SIGTERM, signal.SIG_IGN)


def check_complete(missing: Missing, record: Path | None = None) -> None:
    """Raise `Stopped` unless every member has its reply and its score; with a record the command can try again."""
    if not missing.complete:
        again = "" if record is None else f"; to try them again:\n  {command_line(record)}"
        raise Stopped(f"{missing.sentence()}{again}", 1)


def kept(record: Path) -> str:
    """Return a sentence on the content of a record and the way to go on, for the end of a message."""
    generations = finished_generations(record)
    if not generations:
        return "nothing was generated yet"
    what = "1 generation is" if generations == 1 else f"{generations:,} generations are"
    return f"{what} kept in {record}; to go on:\n  {command_line(record)}"


def finished_generations(record: Path) -> int:
    """Return the number of replies in a record or a folder of records; 0 for a file not yet written."""
    if record.is_dir():
        return sum(map(finished_generations, record.glob("*.sqlite")))
    if not record.is_file() or record.stat().st_size == 0:
        return 0
    # To be read beside a writer: after a second Ctrl-C the run has not let go of its record yet.
    with Record(record, read_only=True, trusted=True) as written:
        ((generations,),) = written.query("SELECT count(*) FROM generations WHERE error IS NULL")
    return int(generations)


def command_line(record: Path | None = None) -> str:
    """Return the command as it was typed, with the record if it names none, without secrets of a URL or a header."""
    program = Path(sys.argv[0]).name
    words = ["python", "-m", "selfagg"] if program == "__main__.py" else [program]
    words += [_URL_SECRETS.sub("***", word) for word in sys.argv[1:]]
    for i, word in enumerate(words):
        if "--header" in (word.partition("=")[0], words[i - 1]):
            words[i] = _HEADER_VALUE.sub(r"\1***", word)
    if record is not None:
        option = "--out" if record.is_dir() else "--record"
        if not any(word == option or word.startswith(f"{option}=") for word in words):
            words += [option, str(record)]
    return shlex.join(words)


@contextmanager
def kept_in(given: Path | None, *words: str, folder: bool = False) -> Iterator[Path]:
    """Give the file or the folder of a command's records: the user's, or a new one, removed if nothing comes of it."""
    new = given is None or (folder and not given.exists())
    path = given or _new_path(words, folder)
    try:
        with folder_for(path) if folder else nullcontext():
            yield path
    except BaseException:
        if new and not finished_generations(path):
            if folder:
                shutil.rmtree(path, ignore_errors=True)
            else:
                for file in path.parent.glob(f"{path.name}*"):
                    file.unlink(missing_ok=True)
        raise


def _new_path(words: Sequence[str], folder: bool) -> Path:
    """Make a file or a folder under runs/ that no other run, of the same second either, has taken."""
    plain = [re.sub(r"[^A-Za-z0-9_.]+", "-", word).strip("-.")[:40] or "run" for word in words]
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{'-'.join(plain)}"
    path = FOLDER
    for number in count(1):
        try:
            FOLDER.mkdir(parents=True, exist_ok=True)
            path = FOLDER / f"{stem}{f'-{number}' if number > 1 else ''}{'' if folder else '.sqlite'}"
            path.mkdir() if folder else path.touch(exist_ok=False)
            break
        except OSError as error:
            if not (isinstance(error, FileExistsError) and FOLDER.is_dir()):
                option = "--out" if folder else "--record"
                why = error.strerror or error
                raise UsageError(f"cannot write in {FOLDER}: {why}; name another place: {option}") from None
    return path


def prepare_code(
    options: CodeOptions, questions: Sequence[Question], console: Console, *, elsewhere: bool = False
) -> None:
    """Set up the sandbox, before any token is paid for, if any question asks for a program; say which, and its limits.

    Elsewhere, on other machines, programs run in sandboxes that these set up. UsageError is raised if none works here.
    """
    if options.sandbox is not None and options.unprotected:
        raise UsageError(f"--sandbox {options.sandbox} and --unsafe-run-code-unprotected exclude each other")
    if not any(question.kind == "code" for question in questions):
        return
    if not elsewhere:
        from selfagg.scoring.code import use_sandbox

        sandbox = use_sandbox("unprotected" if options.unprotected else options.sandbox)
        say(f"programs run in {sandbox.name}: {sandbox.limits}", console)
    if options.unprotected:
        say("WARNING: programs that the model writes run unprotected, with all your rights", console)


class _Waits(Callback):
    """A callback that tells a person of waits while the model is opened."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def waiting(self, why: str | None) -> None:
        if why is not None:
            say(one_line(why, 300), self._console)


class _Notes(logging.Handler):
    """A printer of warnings, each sentence once; a live view lets them through above itself."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        sentence = record.getMessage().removeprefix("note: ")
        if sentence not in self._told:
            self._told.add(sentence)
            print(f"note: {one_line(sentence, 1000)}", file=sys.stderr, flush=True)


@contextmanager
def notes_printed() -> Iterator[None]:
    """Print the warnings of selfagg's loggers while a model is open."""
    logger, notes = logging.getLogger("selfagg"), _Notes()
    logger.addHandler(notes)
    try:
        yield
    finally:
        logger.removeHandler(notes)


@asynccontextmanager
async def opened_model(choice: ModelChoice, console: Console) -> AsyncIterator[Model]:
    """Open the model for the length of the block, ready to sample, and say so while that takes its time."""
    connection = connect(choice.model, choice.access)
    listener = _Waits(console)
    if isinstance(connection, Limited):
        connection.limiter.listeners.add(listener)
    async with AsyncExitStack() as stack:
        stack.enter_context(notes_printed())
        with console.status(Text(f"opening {connection.name} ...")):
            await stack.enter_async_context(connection)
        del listener  # from here on, the run's own view tells of waits
        yield connection


async def run_opened(
    work: Callable[..., Awaitable[T]],
    choice: ModelChoice,
    settings: Settings,
    schedule: Schedule,
    console: Console,
    **more: Any,
) -> T:
    """Open the model, call a function of the Python API with what the options stand for, and show the run."""
    async with opened_model(choice, console) as model:
        arguments = {
            "model": model,
            "concurrency": choice.access.concurrency,
            "candidate": settings.candidate,
            "sampling": settings.sampling,
            "seed": settings.seed,
            "scorer": settings.scorer,
            "wording": settings.wording,
            "schedule": schedule,
            "callback": ProgressBar(console),
            "about": {"command": command_line()},
        }
        return await work(**{**arguments, **more})
