"""llama.cpp in this process, and GGUF files."""
