"""Looks for what nobody thought of, with atheris: ``python -m tests.fuzz [TARGET ...] [--seconds 60]``.

Each target runs in a process of its own, guided by coverage, and stops at the first fault, whose input it prints.
Wants ``pip install atheris`` (Linux, and a Python that it has wheels for).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path


def look(target: str, seconds: int) -> None:
    """Fuzzes one target in this process; ends it."""
    import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

    with atheris.instrument_imports(include=["selfagg"]):
        from tests.fuzz.skeletons import SKELETONS, as_bytes
        from tests.fuzz.targets import TARGETS, words

    with tempfile.TemporaryDirectory() as folder:
        dictionary, corpus = Path(folder, "words"), Path(folder, "corpus")
        corpus.mkdir()
        dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in words(target) if len(word) < 60))
        for number, skeleton in enumerate(SKELETONS.get(target, [])):
            (corpus / str(number)).write_bytes(as_bytes(target, skeleton))
        options = [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=20", "-print_final_stats=1"]
        where = [f"-artifact_prefix={folder}/", *([f"-dict={dictionary}"] if words(target) else [])]
        atheris.Setup([sys.argv[0], *options, *where, str(corpus)], TARGETS[target])
        atheris.Fuzz()


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


def main() -> None:
    """From the command line: every target, or those named, one after the other."""
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        look(given.targets[0], given.seconds)
    failed = []
    for target in given.targets or TARGETS:
        if target not in TARGETS:
            parser.error(f"there is no target {target}; there are {', '.join(TARGETS)}")
        command = [sys.executable, "-m", "tests.fuzz", target, "--here", "--seconds", str(given.seconds)]
        done = subprocess.run(command, capture_output=True, text=True)
        runs = next((line for line in done.stderr.splitlines() if "number_of_executed_units" in line), "stat: 0")
        print(f"{target}: {'nothing' if done.returncode == 0 else 'A FAULT'} in {runs.split()[-1]} runs", flush=True)
        if done.returncode:
            failed.append(target)
            print(done.stdout[-3000:], done.stderr[-3000:])
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
