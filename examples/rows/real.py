"""SmolLM2-135M with an adapter on fresh rows: ``python -m examples.rows.real --adapter FOLDER``, in minutes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from examples.rows.gguf_files import write_adapter
from examples.rows.lessons import SHORT

import selfagg
from selfagg.cli import run_app
from selfagg.methods import method_named

METHODS = (
    method_named("rsa", n=6, k=2, t=4),
    method_named("majority", n=24),
    method_named("self-refine", n=6, t=4),
    method_named("rejection", n=12),
)
"""24 calls a question each."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def real(
    adapter: Annotated[Path, typer.Option(help="The adapter, a folder that `examples.rows.adapter` wrote.")],
    out: Annotated[Path, typer.Option(help="The folder of the records; the same command goes on in it.")],
    size: Annotated[int, typer.Option(min=1, help="Questions.")] = 10,
    seed: Annotated[int, typer.Option(help="Decides questions and samples.")] = 0,
) -> None:
    """Run RSA, majority voting, self-refinement and rejection at equal calls."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{adapter.name}.gguf"
    write_adapter(adapter, file)
    questions = selfagg.load_questions("rows", size=size, data_seed=seed)
    asyncio.run(_run(f"local:smollm2,lora={file}", questions, seed, out))


async def _run(name: str, questions: Sequence[selfagg.Question], seed: int, out: Path) -> None:
    sampling = selfagg.Sampling(temperature=0.7, max_tokens=100)
    async with selfagg.connect(name) as model:
        for method in METHODS:
            typer.echo(f"{method.name}: {method.calls} calls for each of {len(questions)} questions", err=True)
            record = out / f"{method.name}-seed{seed}.sqlite"
            await selfagg.aevaluate(
                questions, model=model, method=method, sampling=sampling, seed=seed, wording=SHORT, record=record
            )


if __name__ == "__main__":
    run_app(app)
