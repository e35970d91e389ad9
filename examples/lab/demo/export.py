"""Write a model of the lab as the demo's one file: ``python -m examples.lab.demo.export FOLDER FILE.npz``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="A model of the lab, as lab/seed-31/aware/final.")],
    file: Annotated[Path, typer.Argument(help="The file to write.")],
) -> None:
    """Write weights in float16, and the words of the tokenizer."""
    from selfagg.models.transformers.checkpoints import load

    checkpoint = load(str(folder), device="cpu", dtype="float32")
    write(checkpoint.model, checkpoint.tokenizer, file)


def write(model: Any, tokenizer: Any, file: Path) -> None:
    """Write a loaded model and its tokenizer."""
    known = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    weights = {name: weight.detach().numpy().astype(np.float16) for name, weight in model.named_parameters()}
    np.savez_compressed(file, words=np.array([word for word, _ in known]), **weights)


if __name__ == "__main__":
    app()
