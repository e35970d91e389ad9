"""The paper's own training set: DeepScaleR problems and Reasoning Gym tasks, plain and with candidates of Qwen3-4B.

Each row is a whole prompt in the authors' words; a row with candidates shows them in its text. So this is a set to
train on (``selfagg train data paper-training --fraction 0``), and not one to aggregate over.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from selfagg.benchmarks.base import Benchmark, Selection
from selfagg.benchmarks.examples import choose
from selfagg.benchmarks.hub import data_files
from selfagg.benchmarks.rows import read_all
from selfagg.benchmarks.verl import verl_question
from selfagg.errors import UsageError
from selfagg.types import Question

REPO = "RSA-RL/DeepScaleR-RG-Aggregator-RL"
_NAME = "paper-training"


def _load(selection: Selection) -> list[Question]:
    rows = read_all(_downloaded() if selection.data is None else data_files(selection.data, _NAME))
    questions = [replace(verl_question(row, name=_NAME), id=f"{_NAME}-{place}") for place, row in enumerate(rows, 1)]
    return choose(questions, selection, default=len(questions), source=_NAME)


def _downloaded() -> list[Path]:
    """Return the hub's parquet files. The data set has no release, so its newest state is read."""
    try:
        from huggingface_hub import HfApi, hf_hub_download

        names = [name for name in HfApi().list_repo_files(REPO, repo_type="dataset") if name.endswith(".parquet")]
        return [Path(hf_hub_download(REPO, name, repo_type="dataset")) for name in sorted(names)]
    except ImportError:
        raise UsageError(
            f"loading {_NAME} needs huggingface-hub (pip install 'selfagg[hub]'), or --data PATH"
        ) from None
    except Exception as error:  # which errors it raises differs by version (requests, httpx, its own)
        raise UsageError(
            f"{REPO} cannot be had from the Hugging Face hub ({type(error).__name__}); give a copy with --data PATH"
        ) from error


BENCHMARK = Benchmark(
    name=_NAME,
    title="The paper's training set",
    kind="math",
    size=28_288,
    load=_load,
    note=f"{REPO}; the authors of arXiv 2509.26626; for training",
)
