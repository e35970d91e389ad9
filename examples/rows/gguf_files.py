"""Write models and adapters of transformers as GGUF files, which llama.cpp reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_PARTS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}

_ROTATED = ("q_proj", "k_proj")


def turned(weight: Any, head: int) -> Any:
    """Return the rows of a query or key projection in llama.cpp's order.

    transformers rotates the first half of a head's rows with the second, llama.cpp neighbours.

    Args:
        weight: An array of torch or numpy whose first dimension is the projection's output.
        head: Rows of one head.
    """
    return weight.reshape(-1, 2, head // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


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
    _close(writer)


def write_adapter(folder: Path, path: Path, *, head: int = 64) -> None:
    """Write a LoRA adapter of a Llama, a folder that peft saved in float16, without PyTorch.

    Args:
        folder: The adapter.
        path: The file to write.
        head: Width of an attention head of its base model; 64 in SmolLM2-135M.
    """
    import json

    from gguf import GGUFWriter
    from safetensors.numpy import load_file

    settings = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    writer = GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(settings["lora_alpha"]))
    for key, weight in load_file(folder / "adapter_model.safetensors").items():
        part = key.removeprefix("base_model.model.").removesuffix(".weight")
        part, _, half = part.rpartition(".lora_")
        if half == "B" and part.endswith(_ROTATED):
            weight = turned(weight, head)
        writer.add_tensor(f"{_named(f'{part}.weight')}.lora_{half.lower()}", weight)
    _close(writer)


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

    if key.removesuffix(".weight").endswith(_ROTATED):
        weight = turned(weight, config.hidden_size // config.num_attention_heads)
    kept = torch.float32 if weight.dim() == 1 else torch.float16
    return _named(key), weight.to(kept).numpy()


def _named(key: str) -> str:
    whole = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    if key in whole:
        return whole[key]
    _, _, layer, part = key.split(".", 3)
    part, _, suffix = part.rpartition(".")
    return f"blk.{layer}.{_PARTS[part]}.{suffix}"


def _close(writer: Any) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
