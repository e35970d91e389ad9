"""A test of a sandbox on this machine: it runs the smallest program in it."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from selfagg.sandbox import cgroup
from selfagg.sandbox.base import Limits
from selfagg.sandbox.guest.frames import pack

if TYPE_CHECKING:
    from selfagg.sandbox.base import Sandbox

_SECONDS = 60


def probe(sandbox: Sandbox) -> str | None:
    """Run an empty program; give what went wrong, in a few words, or None."""
    limits = Limits()
    command = sandbox.command("worker", limits)
    messages: list[dict[str, Any]] = [
        {"limits": command.guest_limits(limits, None)},
        {"code": "", "contest": False},
        {"stdin": ""},
    ]
    try:
        done = subprocess.run(  # noqa: S603
            command.arguments,
            input=b"".join(pack(message) for message in messages),
            env=dict(command.environment),
            cwd=command.folder,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        if command.group is not None:
            cgroup.remove(command.group)
        if command.remove is not None:
            shutil.rmtree(command.remove, ignore_errors=True)
    if done.returncode == 0 and b'"status": "done"' in done.stdout:
        return None
    said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
    return said[-1]
