"""The adapter that teaches SmolLM2-135M-Instruct to aggregate rows: ``python -m examples.rows.adapter``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from examples.rows.lessons import SHORT

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BASE = "local"
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj")
RANK = 8

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def adapter(
    out: Annotated[Path, typer.Option(help="The folder of the adapter; checkpoints lie beside it.")],
    steps: Annotated[int, typer.Option(min=1, help="Updates in all.")] = 600,
    batch: Annotated[int, typer.Option(min=1, help="Lessons of an update.")] = 8,
    seed: Annotated[int, typer.Option(help="Decides weights and lessons.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Cores to use.")] = 2,
) -> None:
    """Train the adapter, or go on where it was stopped. 600 updates take about 100 minutes on two cores."""
    import torch
    from examples.rows.training import Plan, train

    from selfagg.models.transformers.checkpoints import load

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    base = load(BASE, device="cpu", dtype="bfloat16")
    base.model.config.use_cache = False
    base.model.set_attn_implementation("eager")  # faster than sdpa on the CPU with padding
    model = adapted(base.model)
    plan = Plan(steps, batch, 1.5e-3, seed, SHORT, at_once=2)
    train(
        model.get_base_model(),
        base.tokenizer,
        plan,
        out.with_suffix(".checkpoint"),
        lambda line: print(line, flush=True),
    )
    model.half().save_pretrained(str(out))


def adapted(model: PreTrainedModel) -> Any:
    """Return the model with an untrained adapter, in the model's own number format."""
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=list(TARGETS), task_type="CAUSAL_LM")
    return get_peft_model(model, settings, autocast_adapter_dtype=False)


if __name__ == "__main__":
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    app()
