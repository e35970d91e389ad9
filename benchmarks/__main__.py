"""``make bench``: every benchmark, or those named. Each prints its table and nothing else."""

from __future__ import annotations

import argparse
import importlib

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
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all by default")
    names = parser.parse_args().names or BENCHMARKS
    for name in names:
        if name not in BENCHMARKS:
            parser.error(f"there is no benchmark {name}; there are {', '.join(BENCHMARKS)}")
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
