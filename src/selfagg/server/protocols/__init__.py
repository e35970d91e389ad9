"""The APIs that clients speak: a file each."""

from __future__ import annotations

from selfagg.server.protocols.base import Api, Head, Writer
from selfagg.server.protocols.chat import ChatApi
from selfagg.server.protocols.completions import CompletionsApi
from selfagg.server.protocols.messages import MessagesApi
from selfagg.server.protocols.responses import ResponsesApi

APIS: tuple[Api, ...] = (ChatApi(), ResponsesApi(), MessagesApi(), CompletionsApi())

__all__ = ["APIS", "Api", "ChatApi", "CompletionsApi", "Head", "MessagesApi", "ResponsesApi", "Writer"]
