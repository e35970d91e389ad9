"""The filters' verdicts on both machines, by a small interpreter of the kernel's filter language."""

from __future__ import annotations

import struct

import pytest

from selfagg.sandbox.guest import confine

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
VERDICTS = {0x7FFF0000: "allowed", 0x00050001: "refused", 0x00050026: "not there", 0x80000000: "killed"}


def verdict(code: bytes, architecture: int, number: int, *arguments: int) -> str:
    data = struct.pack("<IIQ6Q", number, architecture, 0, *[*arguments, 0, 0, 0, 0, 0, 0][:6])
    steps = list(struct.iter_unpack("<HBBI", code))
    held, place = 0, 0
    while True:
        operation, if_true, if_false, value = steps[place]
        place += 1
        if operation == 0x20:
            (held,) = struct.unpack_from("<I", data, value)
        elif operation == 0x06:
            return VERDICTS[value]
        else:
            found = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[operation]
            place += if_true if found else if_false


CASES = {
    # name: (number on x86_64, on aarch64, arguments, verdict of the first filter, of both)
    "read": (0, 63, (), "allowed", "allowed"),
    "openat": (257, 56, (), "allowed", "allowed"),
    "socket": (41, 198, (1, 1), "not there", "not there"),
    "execve": (59, 221, (), "not there", "not there"),
    "setxattr": (188, 5, (), "not there", "not there"),
    "io_setup": (206, 0, (), "not there", "not there"),
    "ptrace": (101, 117, (), "not there", "not there"),
    "clone3": (435, 435, (), "not there", "not there"),
    "a call of the future": (9_999, 9_999, (), "not there", "not there"),
    "a thread": (56, 220, (0x3D0F00,), "allowed", "allowed"),
    "a process": (56, 220, (0x1200011,), "allowed", "refused"),
    "a user namespace": (56, 220, (0x10000011,), "refused", "refused"),
    "a child of the parent": (56, 220, (0x18011,), "refused", "refused"),
    "a signal to itself": (62, 129, (7, 6), "allowed", "allowed"),
    "kill itself": (62, 129, (7, 9), "allowed", "refused"),
    "tgkill itself": (234, 131, (7, 7, 9), "allowed", "refused"),
    "its processor time": (302, 261, (0, 0), "allowed", "refused"),
    "its processor time, the older way": (160, 164, (0,), "allowed", "refused"),
    "kill another": (62, 129, (1, 9), "allowed", "refused"),
    "kill all": (62, 129, (2**64 - 1, 9), "allowed", "refused"),
    "tgkill another": (234, 131, (1, 1, 9), "allowed", "refused"),
    "its name": (157, 167, (15,), "allowed", "allowed"),
    "its dump": (157, 167, (4,), "allowed", "refused"),
    "its parent's death": (157, 167, (1,), "refused", "refused"),
    "flags of a file": (72, 25, (3, 4), "allowed", "allowed"),
    "owner of a file": (72, 25, (3, 8), "refused", "refused"),
    "its limits": (302, 261, (0, 3), "allowed", "allowed"),
    "limits of another": (302, 261, (1,), "refused", "refused"),
    "a pair of streams": (53, 199, (1, 0x80001), "allowed", "allowed"),
    "a pair of datagram sockets": (53, 199, (1, 2), "refused", "refused"),
    "a send": (44, 206, (3, 1, 1, 0, 0), "allowed", "allowed"),
    "a send to an address": (44, 206, (3, 1, 1, 0, 0x7F00), "refused", "refused"),
    "a send to a round address": (44, 206, (3, 1, 1, 0, 0x7F00000000), "refused", "refused"),
}


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize("what", CASES)
def test_verdicts(what: str, machine: str) -> None:
    *numbers, arguments, first, both = CASES[what]
    number, architecture = numbers[list(ARCHITECTURES).index(machine)], ARCHITECTURES[machine]
    whole = verdict(confine._sandbox_filter(machine), architecture, number, *arguments)
    program = verdict(confine._program_filter(machine, 7), architecture, number, *arguments)
    assert whole == first
    assert (program if whole == "allowed" else whole) == both


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_calls_of_another_architecture_end_the_process(machine: str) -> None:
    assert verdict(confine._sandbox_filter(machine), 0x40000003, 1) == "killed"


def test_another_machine_is_refused() -> None:
    with pytest.raises(OSError, match="cannot be filtered on riscv64"):
        confine._sandbox_filter("riscv64")
