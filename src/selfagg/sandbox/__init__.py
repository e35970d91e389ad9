"""Running code that a model wrote, where it can do no harm.

`choose_sandbox` finds what this machine has; `load_program` puts a program into it and runs it as often as
needed. A program has no network, one folder of its own, and limits on time, memory, output and processes.
"""

from selfagg.sandbox.base import Limits, Sandbox
from selfagg.sandbox.choose import SANDBOXES, choose_sandbox
from selfagg.sandbox.session import (
    Program,
    ProgramResult,
    SandboxFailedError,
    Session,
    SessionLost,
    cpu_seat,
    load_program,
    open_session,
)

__all__ = [
    "SANDBOXES",
    "Limits",
    "Program",
    "ProgramResult",
    "Sandbox",
    "SandboxFailedError",
    "Session",
    "SessionLost",
    "choose_sandbox",
    "cpu_seat",
    "load_program",
    "open_session",
]
