"""Checks on a GPU: `hf:` in bf16 against plain batched generate, `train rl` steps, several processes, `vllm:`.

Each check is a process of its own with what is left of the time, so that one that fails or hangs spoils no other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Found = dict[str, Any]
PROMPT = "Write down the numbers from one to a thousand, each on a line of its own."
KEPT_S = 15
"""Seconds that are kept back for the report."""


def main() -> None:
    """Run one check (a process of its own), or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tiny model and few tokens")
    parser.add_argument("--limit", type=float, default=590.0, help="seconds for all checks together")
    parser.add_argument("--check", choices=CHECKS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.check:
        print(json.dumps(CHECKS[asked.check](asked.folder, asked.small)))
        return
    begun, found = time.monotonic(), {"machine": machine()}
    with tempfile.TemporaryDirectory() as folder:
        for name in CHECKS:
            left = asked.limit - KEPT_S - (time.monotonic() - begun)
            found[name] = run_apart(name, Path(folder), asked.small, left)
            print(f"{name}: {json.dumps(found[name])}", file=sys.stderr)
    found["seconds"] = round(time.monotonic() - begun, 1)
    found["failed"] = [name for name in CHECKS if "failed" in found[name]]
    print(json.dumps(found, indent=2))
    sys.exit(bool(found["failed"]))


def machine() -> Found:
    """Return what the machine has."""
    import torch

    gpus = [torch.cuda.get_device_properties(place) for place in range(torch.cuda.device_count())]
    packages = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "vllm")
    return {
        "gpus": [{"name": gpu.name, "gib": round(gpu.total_memory / 2**30, 1)} for gpu in gpus],
        "cuda": torch.version.cuda,
        "versions": {name: _version(name) for name in packages},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def run_apart(name: str, folder: Path, small: bool, left: float) -> Found:
    """Run a check in a process group of its own, ended after ``left`` seconds."""
    if left < 5:
        return {"skipped": "no time was left"}
    command = [sys.executable, __file__, "--check", name, "--folder", str(folder), *(["--small"] if small else [])]
    begun = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        out, err = child.communicate(timeout=left)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        return {"failed": f"it was not done after {left:.0f} s"}
    if child.returncode:
        return {"failed": (err.strip().splitlines() or ["it ended without a word"])[-1][:500]}
    return json.loads(out.splitlines()[-1]) | {"seconds": round(time.monotonic() - begun, 1)}


def checkpoint(folder: Path, small: bool) -> Path:
    """Return a folder with random weights and a byte-level tokenizer: 0.9 billion on a GPU, a few thousand if small."""
    import torch
    from tiny_models import save_tiny, tiny_tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM

    target = folder / "model"
    if target.is_dir():
        return target
    if small:
        return save_tiny(target, width=64, context=1024)
    tokenizer = tiny_tokenizer()
    config = LlamaConfig(
        vocab_size=32_000,  # rows beyond the tokenizer's are never asked for and cost what they cost elsewhere
        hidden_size=2048,
        intermediate_size=5504,
        num_hidden_layers=16,
        num_attention_heads=16,
        num_key_value_heads=8,
        max_position_embeddings=8192,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    LlamaForCausalLM(config).save_pretrained(target)
    tokenizer.save_pretrained(target)
    return target


def check_hf(folder: Path, small: bool) -> Found:
    """Compare `hf:` with plain batched generate: the same model, prompts and lengths."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = checkpoint(folder, small)
    gpu = torch.cuda.is_available()
    tokenizer = AutoTokenizer.from_pretrained(source)
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.bfloat16 if gpu else torch.float32)
    model = model.to("cuda" if gpu else "cpu").eval()
    rows, tokens = (8, 32) if small else (128, 512)
    found: Found = {"dtype": str(model.dtype), "device": str(model.device), "rows": rows, "tokens": tokens}
    for name, write in (("generate", _generated), ("selfagg", _sampled)):
        write(model, tokenizer, rows, 8)  # kernels are built at the first call
        begun = time.monotonic()
        written = write(model, tokenizer, rows, tokens)
        found[name] = {"tokens": written, "tokens_per_s": round(written / (time.monotonic() - begun), 1)}
    found["ratio"] = round(found["selfagg"]["tokens_per_s"] / found["generate"]["tokens_per_s"], 3)
    if gpu:
        found["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    return found


def _generated(model: Any, tokenizer: Any, rows: int, tokens: int) -> int:
    import torch

    messages = [[{"role": "user", "content": PROMPT}]] * rows
    batch = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.no_grad():
        out = model.generate(
            **batch.to(model.device), do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=tokens,
            eos_token_id=None, pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
    return rows * (out.shape[1] - batch["input_ids"].shape[1])


def _sampled(model: Any, tokenizer: Any, rows: int, tokens: int) -> int:
    from selfagg.models.transformers.model import HFModel
    from selfagg.types import Question, Request, Sampling

    async def write() -> int:
        messages = ({"role": "user", "content": PROMPT},)
        sampling, question = Sampling(max_tokens=tokens), Question(id="q", text=PROMPT)
        async with HFModel(model, tokenizer, name="check") as connection:
            asked = [connection.sample(Request(messages, sampling, seed, question)) for seed in range(rows)]
            return sum(reply.usage.completion for reply in await asyncio.gather(*asked))

    return asyncio.run(write())


def check_train(folder: Path, small: bool) -> Found:
    """Train LoRA for two steps in one process: bf16 and gradient checkpointing on a GPU."""
    return _trained(folder, small, "train", [sys.executable, "-m", "selfagg"])


def check_processes(folder: Path, small: bool) -> Found:
    """Train in as many processes as there are GPUs; if small, in two on the CPU."""
    import torch

    count = 2 if small else torch.cuda.device_count()
    if count < 2:
        return {"skipped": "there are not several GPUs"}
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(count), "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", *(["--cpu"] if small else ["--multi_gpu"])]
    return _trained(folder, small, "processes", [*launch, "-m", "selfagg"]) | {"processes": count}


def _trained(folder: Path, small: bool, name: str, selfagg: list[str]) -> Found:
    missing = [package for package in ("trl", "peft", "datasets", "pyarrow", "typer") if find_spec(package) is None]
    if missing:
        return {"skipped": f"{', '.join(missing)}: not installed"}
    from pyarrow.parquet import read_metadata

    source, data, out = checkpoint(folder, small), _training_set(folder), folder / name
    tokens = 8 if small else 256
    begun = time.monotonic()
    _call(
        *selfagg, "train", "rl", "--model", source, "--data", data, "--out", out, "--lora", 8, "--lr", 1e-4,
        "--steps", 2, "--prompts", 2 if small else 8, "--rollouts", 4, "--max-tokens", tokens,
        "--micro-batch", 4, "--save-every", 0,
    )  # fmt: skip
    return {
        "steps": 2,
        "responses": sum(read_metadata(file).num_rows for file in (out / "rollouts").glob("step-*.parquet")),
        "step_s": [told["seconds"] for told in _lines(out / "metrics.jsonl") if "seconds" in told],
        "wall_s": round(time.monotonic() - begun, 1),
        "final": sorted(path.name for path in (out / "final").glob("*.safetensors")),
    }


def _lines(file: Path) -> list[Found]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def _training_set(folder: Path) -> Path:
    """Return a set of plain and aggregation prompts, the candidates simulated."""
    data, file = folder / "set", folder / "sums.jsonl"
    if not data.is_dir():
        rows = [{"question": f"What is {n} + {n}?", "answer": str(2 * n), "kind": "math"} for n in range(32)]
        file.write_text("\n".join(map(json.dumps, rows)))
        _call(
            sys.executable, "-m", "selfagg", "train", "data", "--problems", file, "--model", "simulated:tokens=20",
            "--k", 2, "--out", data,
        )  # fmt: skip
    return data


def check_vllm(folder: Path, small: bool) -> Found:
    """Answer questions with the engine of vLLM in the process."""
    if find_spec("vllm") is None:
        return {"skipped": "vllm: not installed"}
    source, record = checkpoint(folder, small), folder / "vllm.sqlite"
    _training_set(folder)
    told = _call(
        sys.executable, "-m", "selfagg", "eval", folder / "sums.jsonl", "--model", f"vllm:{source}", "-n", 8, "-k", 2,
        "-t", 2, "--max-tokens", 32 if small else 256, "--record", record, "--json",
    )  # fmt: skip
    run = json.loads(told.splitlines()[-1])
    return {
        "calls": run["calls"],
        "failures": run["failures"],
        "tokens_per_s": round(run["usage"]["completion"] / run["seconds"], 1),
    }


def _call(*command: object) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "it ended without a word").splitlines()
        raise SystemExit(" | ".join(said[-3:]))
    return done.stdout


CHECKS: dict[str, Callable[[Path, bool], Found]] = {
    "hf": check_hf,
    "train": check_train,
    "processes": check_processes,
    "vllm": check_vllm,
}

if __name__ == "__main__":
    main()
