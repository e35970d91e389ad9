"""``make bench``: every benchmark, or those named. Prints the machine, and of each its tables and how long it took."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import time

from benchmarks.printing import machine, show

BENCHMARKS = (
    "schedule",
    "schedule_real",
    "priority",
    "prefixes",
    "cluster",
    "overhead",
    "scale",
    "scoring",
    "local",
    "peers",
    "adaptive",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all by default")
    names = parser.parse_args().names or BENCHMARKS
    for name in names:
        if name not in BENCHMARKS:
            parser.error(f"there is no benchmark {name}; there are {', '.join(BENCHMARKS)}")
    if len(names) > 1:
        for name in names:  # each in a process of its own: none inherits another's heap
            subprocess.run([sys.executable, "-m", "benchmarks", name], check=True)
        return
    show(f"\n{names[0]}: {machine()}")
    begun = time.monotonic()
    importlib.import_module(f"benchmarks.{names[0]}").main()
    show(f"{names[0]} took {(time.monotonic() - begun) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
