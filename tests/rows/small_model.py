"""A small untrained Llama that reads rows, and its GGUF file, for tests of the trainer and of adapters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from examples.rows.gguf_files import ROTATED, named, turned

if TYPE_CHECKING:
    import torch
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


def write_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, path: Path, *, name: str) -> None:
    """Write a Llama with a byte-level tokenizer, in float16.

    Args:
        model: The model; its output is tied to its input.
        tokenizer: Its tokenizer: byte-level BPE; tokens added to it are words that are found before all else.
        path: The file to write.
        name: What the file says the model is called.
    """
    from gguf import GGUFWriter

    config: Any = model.config
    writer = GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    _add_tokenizer(writer, tokenizer)
    for key, weight in model.state_dict().items():
        if key != "lm_head.weight":
            writer.add_tensor(*_tensor(key, weight, config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    import json

    from gguf import TokenType

    told = json.loads(tokenizer.backend_tokenizer.to_str())
    added = {entry["content"]: entry["special"] for entry in told["added_tokens"]}
    tokens = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    kinds = {None: TokenType.NORMAL, True: TokenType.CONTROL, False: TokenType.USER_DEFINED}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([token for token, _ in tokens])
    writer.add_token_types([kinds[added.get(token)] for token, _ in tokens])
    writer.add_token_merges([" ".join(pair) for pair in told["model"]["merges"]])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_add_bos_token(False)
    writer.add_chat_template(tokenizer.chat_template)


def _tensor(key: str, weight: torch.Tensor, config: Any) -> tuple[str, Any]:
    """Return a tensor's name and values as llama.cpp wants them: norms in float32, all else in float16."""
    import torch

    if key.removesuffix(".weight").endswith(ROTATED):
        weight = turned(weight, config.hidden_size // config.num_attention_heads)
    kept = torch.float32 if weight.dim() == 1 else torch.float16
    return _named(key), weight.to(kept).numpy()


def _named(key: str) -> str:
    whole = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    return whole.get(key) or named(key)
