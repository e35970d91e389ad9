"""The tiny model of the demo, trained from nothing: ``python -m examples.rows.tiny``.

It has 0.45 million weights, and a tokenizer that knows the words of rows alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from examples.rows.lessons import Mix

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

END = "<end>"
WORDS = (" try ", " good ", " bad ", " gives ", "[Candidate ", "True", "False")
"""Words that are one token each; of all others, what no character stands for is passed over."""
SIGNED = [f"{number:+d}" for number in range(-17, 10) if number]
"""Numbers with their signs, one token each: then a total is the sum of what three tokens say."""
CHARACTERS = "0123456789ABCD+-=\n"
NUMBERS = [str(number) for number in range(10, 28)]
"""Totals of two digits, each one token."""
TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"

CONTEXT = 512
WIDTH, LAYERS, HEADS, INNER = 96, 4, 3, 256
ROPE_THETA = 1000.0  # prompts are shorter than 400 tokens
MIX = Mix(rows=(0.5, 0.3, 0.2))
"""Fewer rows than in the demo most of the time: rows do not hang on each other, and short lessons take less time."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def tiny(
    out: Annotated[Path, typer.Option(help="The GGUF file to write; the checkpoint lies beside it.")],
    steps: Annotated[int, typer.Option(min=1, help="Updates in all.")] = 2000,
    batch: Annotated[int, typer.Option(min=1, help="Lessons of an update.")] = 64,
    seed: Annotated[int, typer.Option(help="Decides weights and lessons.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Cores to use.")] = 2,
) -> None:
    """Train the tiny model, or go on where it was stopped."""
    import torch
    from examples.rows.gguf_files import write_model
    from examples.rows.training import Plan, train

    from selfagg.prompts.wording import Wording

    torch.set_num_threads(threads)
    tokenizer = make_tokenizer()
    model = make_model(tokenizer, seed).bfloat16()  # twice as fast; the trainer keeps float32 beside it
    plan = Plan(steps, batch, 3e-3, seed, Wording(), MIX, whole_facts=True, warm=100, save_every=100)
    train(model, tokenizer, plan, out.with_suffix(".checkpoint"), lambda line: print(line, flush=True))
    write_model(model, tokenizer, out, name="rows-tiny")


def make_tokenizer() -> PreTrainedTokenizerBase:
    """Return a byte-level tokenizer whose vocabulary is the characters, numbers and words of rows."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    single = [character.replace("\n", "Ċ") for character in CHARACTERS]
    known = {token: place for place, token in enumerate([END, *single, *NUMBERS])}
    made = Tokenizer(models.BPE(known, [(number[0], number[1]) for number in NUMBERS]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(END, special=True)])
    made.add_tokens([AddedToken(word, normalized=False) for word in (*WORDS, *SIGNED)])
    tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=made, pad_token=END, eos_token=END, model_max_length=CONTEXT
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def make_model(tokenizer: PreTrainedTokenizerBase, seed: int) -> PreTrainedModel:
    """Return an untrained model."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=INNER,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            max_position_embeddings=CONTEXT,
            rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )


if __name__ == "__main__":
    app()
