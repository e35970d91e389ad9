"""The lab as a whole: its seeds, side by side where there are cores for it, and what is written of them."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from examples.lab.experiment import Experiment, Told
from examples.lab.figure import draw
from examples.lab.findings import paragraph, tables, unable
from examples.lab.settings import FULL, QUICK, setting_named

from selfagg._internal.files import write_whole
from selfagg._internal.machine import cores

RESULTS, FINDINGS = "results.json", "findings.md"


def run_lab(setting: str, seeds: Sequence[int], out: Path, *, quick: bool, told: Told) -> str:
    """Runs an experiment for each seed, or what is missing of it, and writes down what they came to.

    ``out`` gets a folder ``seed-N`` each, ``results.json``, ``findings.md`` and, if any seed got a base, the figure. A
    seed takes one core.

    Args:
        setting: Name of the setting.
        seeds: The seeds, each a world and a model of its own.
        out: A new folder, or one in which the same was begun.
        quick: Whether everything is so small that it only shows that it runs.
        told: Told of the progress.

    Returns:
        The findings, in Markdown.

    Raises:
        UsageError: There is no such setting, or the folder holds another experiment.
    """
    setting_named(setting)
    results = _all(partial(_one, setting, out=out, quick=quick), seeds, told)
    able = [result for result in results if result["arms"]]
    parts = [unable(result) for result in results if not result["arms"]]
    if able:
        parts += [paragraph(able), tables(able)]
        draw(able, out)
    findings = "\n\n".join(parts) + "\n"
    if quick:
        findings = f"Too small to show anything (quick).\n\n{findings}"
    write_whole(out / RESULTS, json.dumps(results, indent=1) + "\n")
    write_whole(out / FINDINGS, findings)
    return findings


def _one(setting: str, seed: int, told: Told, *, out: Path, quick: bool) -> dict[str, Any]:
    return Experiment(setting, QUICK if quick else FULL, seed, out / f"seed-{seed}", told).run()


def _all(experiment: Any, seeds: Sequence[int], told: Told) -> list[dict[str, Any]]:
    at_once = min(len(seeds), cores())
    if at_once == 1:
        return [experiment(seed, partial(_said, told, seed)) for seed in seeds]
    context = get_context("spawn")
    lines = context.Manager().Queue()
    with ProcessPoolExecutor(at_once, mp_context=context, initializer=_end_with_parent) as pool:
        running: list[Future[dict[str, Any]]] = [
            pool.submit(experiment, seed, partial(_queued, lines, seed)) for seed in seeds
        ]
        try:
            while any(not future.done() for future in running):
                time.sleep(0.2)
                while not lines.empty():
                    told(lines.get())
            return [future.result() for future in running]
        except BaseException:
            pool.kill_workers() if hasattr(pool, "kill_workers") else pool.shutdown(cancel_futures=True)
            raise


def _said(told: Told, seed: int, line: str) -> None:
    told(f"seed {seed}: {line}")


def _queued(lines: Any, seed: int, line: str) -> None:
    lines.put(f"seed {seed}: {line}")


def _end_with_parent() -> None:
    """A worker whose lab was killed ends too, so that it does not write beside the one that goes on."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
