"""Files that are there whole or not at all, and who may write them."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from selfagg.errors import UsageError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a file to write, which takes the place of ``path`` when the block ends well.

    What stood there before stays until then, and for good if the block fails, the process is killed or the power goes.
    A link stays a link: the file that it leads to is replaced.

    Raises:
        UsageError: It is something else than a file, which must not be replaced by one.
    """
    with suppress(FileNotFoundError):
        path.stat()  # links that lead in a circle
    if kind := kind_of(path):
        raise UsageError(f"{path} is {kind}: name a file to write")
    target = Path(os.path.realpath(path))
    # Of a name of its own, for one that is as long as a name may be leaves no room for more.
    partial = target.with_name(f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}.partial")
    try:
        yield partial
        sync(partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def kind_of(path: Path) -> str:
    """Return the kind of a path, as ``a folder`` or ``a device``; ``""`` for an ordinary file, and for nothing."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except OSError:
        return ""
    named = {stat.S_IFREG: "", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    devices = dict.fromkeys((stat.S_IFCHR, stat.S_IFBLK), "a device")
    return (named | devices).get(kind, "no ordinary file")


def readable(path: Path, what: str) -> Path:
    """Return the path of a file that can be read; ``what`` names it in errors, as ``the file of questions``.

    Raises:
        UsageError: There is no such file, it cannot be opened, or it would never end, as a device or a pipe.
    """
    try:
        path.stat()
        if kind := kind_of(path):
            raise UsageError(f"{what} {path} is {kind}: name a file")
        path.open("rb").close()
    except FileNotFoundError:
        raise UsageError(f"there is no {what.removeprefix('the ')} {path}") from None
    except OSError as error:
        raise UsageError(f"cannot read {what} {path}: {error.strerror or error}") from None
    return path


def write_whole(path: Path, text: str) -> None:
    """Write a whole text as `whole` does, in UTF-8."""
    with whole(path) as partial:
        partial.write_text(text, "utf-8")


def claim(path: Path) -> int:
    """Open a file, made if it is not there, and lock it; the lock ends when the descriptor is closed.

    The lock is one on the file's own data, far behind its end, so it holds under every name of the file and is in
    nobody's way.

    Raises:
        BlockingIOError: Another process has it.
        OSError: The file cannot be written.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        elif sys.platform == "linux":  # a lock of the descriptor: others of this process are kept out too
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, _FAR, 1, 0))
        else:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _FAR)
        if not os.path.samestat(os.fstat(descriptor), path.stat()):
            raise BlockingIOError("replaced by another process")
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, PermissionError) and error.errno == errno.EACCES:  # some systems say so of a lock
            raise BlockingIOError(*error.args) from None
        raise
    return descriptor


_FAR = 2**62


def lock(path: Path) -> FileLock:
    """Take the right to write a file or a folder, until it is released.

    The lock is a hidden file beside the path: what a shell's ``*`` finds are the things themselves.

    Raises:
        filelock.Timeout: Another process has it.
        OSError: The place cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    resolved = Path(os.path.realpath(path))
    taken = FileLock(resolved.with_name(f".{resolved.name}.lock"), blocking=False)
    taken.acquire()
    return taken


def sync(path: Path) -> None:
    """Return once a file's content, or a folder's entries, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """Return a file's digest, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
