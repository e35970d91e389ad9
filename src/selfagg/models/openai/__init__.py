"""Models behind any server of the OpenAI API: vLLM, SGLang, llama.cpp, Ollama, gateways, hosted services."""

from selfagg.models.openai.model import OpenAIModel, connect

__all__ = ["OpenAIModel", "connect"]
