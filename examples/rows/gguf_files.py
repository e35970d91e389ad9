"""Write adapters that peft saved as GGUF files for llama.cpp: ``python -m examples.rows.gguf_files FOLDER FILE``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

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

ROTATED = ("q_proj", "k_proj")


def turned(weight: Any, head: int) -> Any:
    """Return the rows of a query or key projection in llama.cpp's order.

    transformers rotates the first half of a head's rows with the second, llama.cpp neighbours.

    Args:
        weight: An array of torch or numpy whose first dimension is the projection's output.
        head: Rows of one head.
    """
    return weight.reshape(-1, 2, head // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


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
        if half == "B" and part.endswith(ROTATED):
            weight = turned(weight, head)
        writer.add_tensor(f"{named(f'{part}.weight')}.lora_{half.lower()}", weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def named(key: str) -> str:
    """Return llama.cpp's name of a weight in a layer."""
    _, _, layer, part = key.split(".", 3)
    part, _, suffix = part.rpartition(".")
    return f"blk.{layer}.{_PARTS[part]}.{suffix}"


if __name__ == "__main__":
    write_adapter(Path(sys.argv[1]), Path(sys.argv[2]))
