"""The lab's language model: a tiny Llama, and a tokenizer that reads only the words of its world."""

from __future__ import annotations

from typing import TYPE_CHECKING

from examples.lab.task import World

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PAD, END = "<pad>", "<eos>"
CANDIDATE = "[Candidate"
"""The word by which prompts begin a candidate."""
KNOWN = r"\[Candidate\b|\b(?:rules|goals|[rpgt]\d+)\b"
"""The words of a prompt that are tokens."""

CONTEXT = 128
WIDTH, LAYERS, HEADS = 64, 2, 4
ROPE_THETA = 10_000.0  # slow rotations too: a word is looked up by what it is, however far away


def make_tokenizer(world: World) -> PreTrainedTokenizerBase:
    """A word for each word of the world. All others, the English of the prompts, are passed over.

    So the model takes the project's own prompts as they are, and has nothing of English to learn.
    """
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [PAD, END, CANDIDATE, *world.words]
    made = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token=PAD))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(KNOWN), behavior="removed", invert=True)
    tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=made, pad_token=PAD, eos_token=END, padding_side="left", model_max_length=CONTEXT
    )
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"
    return tokenizer


def make_model(tokenizer: PreTrainedTokenizerBase, seed: int) -> PreTrainedModel:
    """An untrained model of about 0.1 million weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
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
