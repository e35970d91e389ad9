"""Models behind any server of the OpenAI API: vLLM, SGLang, llama.cpp, Ollama, gateways, hosted services.

A call goes from ``model`` through ``client``, one exchange with one server, and comes back as a reply (``wire``) or a
``refusal``: what ``profile`` can learn from is asked again in other words, a 429 or an outage waits (models/limiter).
"""

from selfagg.models.openai.model import OpenAIModel, connect

__all__ = ["OpenAIModel", "connect"]
