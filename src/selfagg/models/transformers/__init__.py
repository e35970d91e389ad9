"""Transformers in this process: any checkpoint, on the CPU or a GPU."""
