"""A run on a terminal is shown live, on stderr alone."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

EXECUTABLE = Path(sys.executable).with_name("selfagg")


def test_on_a_terminal_the_view_is_live_and_stdout_stays_clean(
    questions: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [EXECUTABLE, "eval", questions, "--model", "simulated:tokens=400,speed=2000", "-t", "3", "--json"],
        cwd=tmp_path,
        env=environment | {"TERM": "xterm-256color", "LINES": "24", "COLUMNS": "80", "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    seen = bytearray()

    def read() -> None:
        try:
            while part := os.read(ours, 65536):
                seen.extend(part)
        except OSError:  # the other end is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    out, _ = process.communicate(timeout=60)
    reader.join(timeout=10)
    os.close(ours)
    assert process.returncode == 0, seen
    assert json.loads(out)["questions"] == 6
    text = seen.decode()
    assert "t=3" in text
    assert "6 of 6 questions" in text
    assert "█" in text
    assert "\x1b[" in text
    assert text.rstrip().endswith("\x1b[?25h")  # the cursor is back
