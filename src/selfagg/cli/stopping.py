"""Run a command's work so that stopping it, by Ctrl-C or by a fault, always says what is kept and how to go on."""

from __future__ import annotations

import asyncio
import re
import shlex
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from selfagg._internal.blocking import heard_by
from selfagg.errors import RunStopped, SelfaggError, UsageError

if TYPE_CHECKING:
    from selfagg.analysis.missing import Missing

T = TypeVar("T")

_HEADER_VALUE = re.compile(r"^((?:--header=)?[^=:]+[=:])\s*(?!@)\S.*", re.DOTALL)
_URL_SECRETS = re.compile(r"(?<=://)[^/@\s]+@|(?<=\?)\S+")


class Stopped(SelfaggError):
    """A run ended before its end.

    Attributes:
        exit_code: 130 Ctrl-C, 143 SIGTERM, 2 the model refuses what the user gave (a wrong key), 1 it is gone, or
            members have no reply or no score.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def run(work: Coroutine[Any, Any, T], record: Path) -> T:
    """Run ``work`` to its end.

    Args:
        work: The work. A signal cancels it, and its own clean-up leaves the record whole.
        record: The file that it writes, or the folder of the files.

    Raises:
        Stopped: It was interrupted, or the model is gone.
    """
    signals: list[int] = []
    runner = asyncio.Runner()
    try:
        result = runner.run(_until_terminated(work, signals))
    except (KeyboardInterrupt, asyncio.CancelledError):
        # The runner is left open: closing it would wait for its threads, and one may be loading a model.
        with heard_by(signal.SIG_IGN):  # a second one is no reason to say less
            said = f"stopped; {kept(record)}"
        raise Stopped(said, 143 if signal.SIGTERM in signals else 130) from None
    except RunStopped as error:
        raise Stopped(f"{error}; {kept(record)}", 2 if error.fatal else 1) from None
    except UsageError:
        raise
    except SelfaggError as error:  # a sandbox that is gone, say
        raise Stopped(f"{error}; {kept(record)}", 1) from None
    runner.close()
    return result


def check_complete(missing: Missing, record: Path | None = None) -> None:
    """Check that every member of a run has its reply and its score.

    Args:
        missing: Missing parts of the run.
        record: The file, or the folder of the files, with which the command tries again; None: it tries nothing again.

    Raises:
        Stopped: One has not, with exit code 1.
    """
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
    from selfagg.record.record import Record

    if record.is_dir():
        return sum(map(finished_generations, record.glob("*.sqlite")))
    if not record.is_file() or record.stat().st_size == 0:
        return 0
    # To be read beside a writer: after a second Ctrl-C the run has not let go of its record yet.
    with Record(record, read_only=True, trusted=True) as written:
        ((generations,),) = written.query("SELECT count(*) FROM generations WHERE error IS NULL")
    return int(generations)


def command_line(record: Path | None = None) -> str:
    """Return the command as it was typed, without what a URL or a header may hold of secrets.

    Args:
        record: Added where the command names none: a file as ``--record``, a folder as ``--out``.
    """
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
