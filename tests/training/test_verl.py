"""A run of verl: what is written, what is refused, and what the real verl makes of it.

The latter where verl can be imported, or where SELFAGG_VERL_PYTHON names a Python that has verl 0.9.1, selfagg,
math-verify and reasoning-gym.
"""

import asyncio
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from selfagg.cli import app
from selfagg.errors import SelfaggError, UsageError
from selfagg.training.reward import Rewards, reply_of
from selfagg.training.rows import Row, Split, question_text, rows_file, write_rows
from selfagg.training.verl import VerlRun
from selfagg.types import Question

PYTHON = os.environ.get("SELFAGG_VERL_PYTHON") or (sys.executable if importlib.util.find_spec("verl") else "")
ANSWERS = [
    (r"\frac{1}{2}", "0.5"),
    (r"50\%", "0.5"),
    ("0.5", r"50\%"),
    ("x^2-1", "(x-1)(x+1)"),
    (r"\sqrt{8}", r"2\sqrt{2}"),
    (r"\{1,2\}", r"\{2,1\}"),
    ("[0,1)", r"0\le x<1"),
    (r"\frac{\pi}{4}", r"0.25\pi"),
    ("10", "11.0"),
]
"""Gold and given answers that only math-verify can tell."""

needs_verl = pytest.mark.skipif(not PYTHON, reason="verl is not installed, and SELFAGG_VERL_PYTHON is not set")


def row(i: int, split: Split = "train", tokens: int = 20) -> Row:
    question = Question(f"sum-{i}", f"What is {i} + {i}?", "math", gold=str(2 * i))
    shown = i % 2 == 1
    prompt = question.text + shown * " Candidates: one, two."
    counts = (True, 4, 2) if shown else (False, 0, -1)
    return Row(
        "selfagg/sums",
        ({"role": "user", "content": prompt},),
        "math",
        str(2 * i),
        i,
        split,
        question.id,
        question_text(question),
        *counts,
        prompt_tokens=tokens,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    folder.mkdir()
    write_rows(folder, "train", [row(i) for i in range(10)])
    write_rows(folder, "test", [row(i, "test") for i in range(10, 12)])
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model."""
    pytest.importorskip("transformers")
    from tiny_models import save_tiny

    return save_tiny(tmp_path_factory.mktemp("model"))


def asked(out: Path) -> dict[str, Any]:
    lines = [line for line in (out / "asked.yaml").read_text().splitlines() if line.startswith("  ")]
    return {name.strip(): json.loads(value) for name, _, value in (line.partition(":") for line in lines)}


class TestWriting:
    def test_a_run_is_complete(self, data: Path, tmp_path: Path) -> None:
        out = tmp_path / "runs" / "one"
        VerlRun("Qwen/Qwen3-4B-Instruct-2507", prompts=4, steps=5).write(data, out)
        assert {path.name for path in out.iterdir()} == {
            "README.md",
            "asked.yaml",
            "data",
            "reward.py",
            "run.sh",
            "run.yaml",
        }
        for split in ("train", "test"):
            assert (out / "data" / f"{split}.parquet").read_bytes() == (data / f"{split}.parquet").read_bytes()
        assert os.access(out / "run.sh", os.X_OK)
        assert subprocess.run(["bash", "-n", out / "run.sh"], check=False).returncode == 0
        told = asked(out)
        assert told["folder"] == str(out)
        assert (told["prompt_tokens"], told["response_tokens"], told["tokens"]) == (33_792, 8_192, 41_984)
        assert (told["epochs"], told["validation"], told["test_every"]) == (3, "test", 25)  # 2 steps of 4 in 10 rows

    def test_what_was_asked_for_is_what_the_configuration_refers_to(self, data: Path, tmp_path: Path) -> None:
        VerlRun("m", prompts=4).write(data, tmp_path / "run")
        referred = re.findall(r"\$\{selfagg\.(\w+)\}", (tmp_path / "run" / "run.yaml").read_text())
        assert {*referred} == {*asked(tmp_path / "run")}

    def test_without_a_test_split_nothing_is_validated(self, data: Path, tmp_path: Path) -> None:
        rows_file(data, "test").unlink()
        VerlRun("m", prompts=4).write(data, tmp_path / "run")
        told = asked(tmp_path / "run")
        assert (told["validation"], told["validates"], told["test_every"]) == ("train", False, -1)
        assert not (tmp_path / "run" / "data" / "test.parquet").exists()

    def test_a_folder_of_a_model_is_named_by_its_whole_path(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "weights").mkdir()
        monkeypatch.chdir(tmp_path)
        VerlRun("weights", prompts=4).write(data, tmp_path / "run")
        assert asked(tmp_path / "run")["model"] == str(tmp_path / "weights")


class TestBadInput:
    @pytest.mark.parametrize(
        ("settings", "sentence"),
        [
            ({"gpus": 0}, "gpus = 0, but it is at least 1"),
            ({"gpus": 4, "tensor_parallel": 3}, "4 GPUs of a node are no multiple of tensor_parallel = 3"),
        ],
    )
    def test_settings(self, settings: dict[str, int], sentence: str) -> None:
        with pytest.raises(UsageError) as caught:
            VerlRun("m", **settings)
        assert str(caught.value) == sentence

    def test_a_folder_without_a_set(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"holds no training set: there is no train\.parquet"):
            VerlRun("m").write(tmp_path, tmp_path / "run")

    def test_a_file_that_is_no_set(self, tmp_path: Path) -> None:
        rows_file(tmp_path, "train").write_bytes(b"PAR1 and nothing else")
        with pytest.raises(UsageError, match=r"train\.parquet cannot be read"):
            VerlRun("m").write(tmp_path, tmp_path / "run")

    def test_other_columns(self, tmp_path: Path) -> None:
        import pyarrow  # type: ignore[import-untyped]
        import pyarrow.parquet  # type: ignore[import-untyped]

        pyarrow.parquet.write_table(pyarrow.table({"prompt": ["x"]}), rows_file(tmp_path, "train"))
        with pytest.raises(UsageError, match="has other columns than selfagg train data writes"):
            VerlRun("m").write(tmp_path, tmp_path / "run")

    def test_too_few_prompts(self, data: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"has 10 training prompts, fewer than one step takes \(256\)"):
            VerlRun("m").write(data, tmp_path / "run")
        assert not (tmp_path / "run").exists()

    def test_prompts_that_are_too_long(self, data: Path, tmp_path: Path) -> None:
        write_rows(data, "train", [row(i, tokens=100 + i) for i in range(10)])
        with pytest.raises(UsageError, match=r"4 of 12 prompts in .* than 105 tokens \(the longest has 109\)"):
            VerlRun("m", prompts=4, max_prompt_tokens=105).write(data, tmp_path / "run")

    @pytest.mark.parametrize("model", ["local", "weights/smollm2.gguf"])
    def test_models_that_verl_cannot_load(self, data: Path, tmp_path: Path, model: str) -> None:
        with pytest.raises(UsageError, match="verl cannot load"):
            VerlRun(model).write(data, tmp_path / "run")

    def test_a_run_is_not_written_over(self, data: Path, tmp_path: Path) -> None:
        VerlRun("m", prompts=4).write(data, tmp_path / "run")
        with pytest.raises(UsageError, match="is there already"):
            VerlRun("m", prompts=4).write(data, tmp_path / "run")


class TestCommand:
    def arguments(self, data: Path, out: Path, model: str = "m") -> list[str]:
        lengths = ["--max-prompt-tokens", "100", "--max-tokens", "50"]
        return ["train", "verl", "--data", str(data), "--model", model, "--prompts", "4", "--out", str(out), *lengths]

    def test_without_verl_it_says_that_nothing_was_checked(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        result = CliRunner().invoke(app, self.arguments(data, tmp_path / "run"))
        assert result.exit_code == 0, result.output
        assert "not checked, as verl is not installed here" in result.output

    def test_what_the_check_finds_wrong_is_said(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        python = tmp_path / "python"
        python.write_text("#!/bin/sh\necho verl 0.9.1\necho much >&2\necho verl has no setting x >&2\nexit 1\n")
        python.chmod(0o755)
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
        monkeypatch.setattr(sys, "executable", str(python))
        result = CliRunner().invoke(app, self.arguments(data, tmp_path / "run"))
        assert "checked: verl 0.9.1" in result.output
        assert isinstance(result.exception, SelfaggError)
        assert str(result.exception).endswith("is written, but the check by verl failed: verl has no setting x")

    @needs_verl
    def test_where_verl_is_it_has_the_run_checked(
        self, data: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
        monkeypatch.setattr(sys, "executable", PYTHON)
        result = CliRunner().invoke(app, self.arguments(data, tmp_path / "run", str(model)))
        assert result.exit_code == 0, result.output
        assert result.output.count("checked: ") == 6


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    return ask_verl("-m", "selfagg.training.verl_check", str(folder))


def ask_verl(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run([PYTHON, *arguments], capture_output=True, text=True, check=False, env=environment)


@needs_verl
class TestWithVerl:
    @pytest.fixture
    def run(self, data: Path, model: Path, tmp_path: Path) -> Path:
        run = tmp_path / "run"
        VerlRun(str(model), prompts=4, steps=5, max_prompt_tokens=100, max_tokens=50).write(data, run)
        for file in metadata.files("antlr4-python3-runtime") or []:  # as run.sh installs it, without a network
            if ".." not in file.parts:
                (run / "antlr" / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.locate(), run / "antlr" / file)
        return run

    def test_verl_accepts_reads_and_scores(self, run: Path) -> None:
        done = checked(run)
        assert done.returncode == 0, done.stderr
        assert [line.partition(",")[0] for line in done.stdout.splitlines()] == [
            "verl 0.9.1",
            "its configuration composes",
            "its own validation accepts the configuration",
            "its data set class reads all 10 training prompts",
            "its reward function",
            "its processes that compare answers find ANTLR 4.13.2",
        ]
        assert "gold answer 1\n" in done.stdout

    def test_what_verl_does_not_know_or_accept_is_said(self, run: Path) -> None:
        text = (run / "run.yaml").read_text()
        (run / "run.yaml").write_text(text.replace("loss_agg_mode:", "loss_aggregation:"))
        done = checked(run)
        assert done.returncode == 1
        assert "has no setting actor_rollout_ref.actor.loss_aggregation" in done.stderr.splitlines()[-1]
        (run / "run.yaml").write_text(text.replace("seq-mean-token-sum-norm", "seq-max"))
        done = checked(run)
        assert done.returncode == 1
        assert "verl does not accept the configuration" in done.stderr
        assert "seq-max" in done.stderr

    def test_verls_own_manager_loss_and_entry_point(self, run: Path) -> None:
        """Scored through the reward manager from tokens; advantages and loss by hand; the script composes."""
        done = ask_verl(str(Path(__file__).with_name("verl_at_work.py")), str(run), json.dumps(ANSWERS))
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout.splitlines()[-1])
        assert found["rewards"] == [1.0, 0.0, "Unscorable"]
        assert found["extra"] == {"score": 1.0, "aggregation": 1.0, "k": 4.0, "c": 2.0}
        assert found["advantages"] == pytest.approx([1.0, -0.5, -0.5, 1.0, -1.0, 0.0])
        assert found["gradient"] == pytest.approx([-1.0 / 12, 0.5 / 12])
        assert found["train_files"] == str(run / "data" / "train.parquet")
        info = [{"question": question_text(Question("q", "?", "math", gold=gold))} for gold, _ in ANSWERS]
        replies = [reply_of(rf"\boxed{{{answer}}}") for _, answer in ANSWERS]
        here = [asyncio.run(Rewards().reward(one, reply)).value for one, reply in zip(info, replies, strict=True)]
        assert found["answers"] == here
        assert {*here} == {0.0, 1.0}
