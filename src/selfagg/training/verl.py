"""Writes a complete run of verl 0.9.1: training on a cluster, in the paper's setting (arXiv 2509.26626, section 5).

The run is a folder: `verl_run/` as it is, the training set, and ``asked.yaml`` with what was asked for. Nothing of
verl is needed to write it; `selfagg.training.verl_check` holds it against a verl that is installed.
"""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

from selfagg.errors import UsageError
from selfagg.training.rows import Split, rows_file, schema

VERL = "0.9.1"
"""The version that the run is written for."""

TEST_EVERY = 25
"""Steps between validations on the set's test split."""

SEQUENCE_PARALLEL = 4
"""GPUs that share one sequence in the authors' published command, which runs on 4."""

_TEMPLATE = Path(__file__).parent / "verl_run"


@dataclass(frozen=True, slots=True)
class VerlRun:
    """What differs from run to run; the rest is the paper's setting.

    Attributes:
        model: A name on the hub, or a folder that transformers loads.
        gpus: Of one node.
        nodes: How many.
        tensor_parallel: GPUs that one replica of the model takes for sampling.
        max_prompt_tokens: Most tokens of a prompt: 4 candidates of 8192 and 1024 for the rest.
        max_tokens: Most tokens of a response.
        prompts: Prompts of a step, each answered 4 times.
        steps: Steps of training, each one update.
    """

    model: str
    gpus: int = 4
    nodes: int = 1
    tensor_parallel: int = 1
    max_prompt_tokens: int = 33_792
    max_tokens: int = 8_192
    prompts: int = 256
    steps: int = 300

    def __post_init__(self) -> None:
        for name in ("gpus", "nodes", "tensor_parallel", "max_prompt_tokens", "max_tokens", "prompts", "steps"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} = {getattr(self, name)}, but it is at least 1")
        if self.gpus % self.tensor_parallel:
            raise UsageError(f"{self.gpus} GPUs of a node are no multiple of tensor_parallel = {self.tensor_parallel}")

    def write(self, data: Path, out: Path) -> None:
        """Writes the run's folder.

        Args:
            data: The training set, a folder that ``selfagg train data`` made; it is copied.
            out: The folder to make; it may exist if it is empty.

        Raises:
            UsageError: There is no training set, it does not fit what is asked for, or ``out`` is not empty.
        """
        model, train, test = self._model(), _prompt_tokens(data, "train"), _prompt_tokens(data, "test")
        self._check(data, train, test)
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"{out} is there already: name a new folder for the run")
        asked = {
            "folder": str(out.resolve()),
            "model": model,
            "gpus": self.gpus,
            "nodes": self.nodes,
            "tensor_parallel": self.tensor_parallel,
            "sequence_parallel": math.gcd(SEQUENCE_PARALLEL, self.gpus),
            "prompt_tokens": self.max_prompt_tokens,
            "response_tokens": self.max_tokens,
            "tokens": self.max_prompt_tokens + self.max_tokens,
            "prompts": self.prompts,
            "steps": self.steps,
            "epochs": math.ceil(self.steps / (len(train) // self.prompts)),
            "validation": "test" if test else "train",
            "validates": bool(test),
            "test_every": TEST_EVERY if test else -1,
        }
        lines = ["# What this run was asked for; run.yaml has the rest.", "selfagg:"]
        lines += [f"  {name}: {json.dumps(value)}" for name, value in asked.items()]
        partial = out.with_name(f".{out.name}.partial")  # a run is there whole or not at all
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(_TEMPLATE, partial, ignore=shutil.ignore_patterns("__pycache__"))
        (partial / "run.sh").chmod(0o755)
        (partial / "asked.yaml").write_text("\n".join(lines) + "\n")
        (partial / "data").mkdir()
        shutil.copyfile(rows_file(data, "train"), rows_file(partial / "data", "train"))
        if test:
            shutil.copyfile(rows_file(data, "test"), rows_file(partial / "data", "test"))
        partial.replace(out)

    def _model(self) -> str:
        """The model as verl is to load it: a folder by its whole path."""
        if self.model == "local" or self.model.endswith(".gguf"):
            raise UsageError(f"verl cannot load {self.model}: name a model on the hub or a folder of safetensors")
        folder = Path(self.model).expanduser()
        return str(folder.resolve()) if folder.is_dir() else self.model

    def _check(self, data: Path, train: list[int], test: list[int]) -> None:
        if len(train) < self.prompts:
            raise UsageError(f"{data} has {len(train)} training prompts, fewer than one step takes ({self.prompts})")
        long = [tokens for tokens in (*train, *test) if tokens > self.max_prompt_tokens]
        if long:
            raise UsageError(
                f"{len(long)} of {len(train) + len(test)} prompts in {data} are longer than {self.max_prompt_tokens} "
                f"tokens (the longest has {max(long)}): allow more, or make the set with a lower limit"
            )


def _prompt_tokens(folder: Path, split: Split) -> list[int]:
    """Tokens of each prompt of a split; none where a set holds no test split. Reads that one column."""
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    path = rows_file(folder, split)
    if not path.is_file():
        if split == "test":
            return []
        raise UsageError(f"{folder} holds no training set: there is no {path.name} (selfagg train data makes one)")
    try:
        if not pyarrow.parquet.read_schema(path).equals(schema()):
            raise UsageError(f"{path} has other columns than selfagg train data writes")
        table = pyarrow.parquet.ParquetFile(path).read(columns=["extra_info.prompt_tokens"])
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageError(f"{path} cannot be read: {str(error).partition(chr(10))[0]}") from None
    return [info["prompt_tokens"] for info in table["extra_info"].to_pylist()]
