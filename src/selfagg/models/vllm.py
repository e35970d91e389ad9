"""vLLM in this process: its engine without its server, on one GPU or several."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import os
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Self
from uuid import uuid4

from selfagg._internal.arguments import suggest
from selfagg.errors import ModelError, UsageError
from selfagg.models import Access
from selfagg.models.reasoning import Thinking, split_reasoning
from selfagg.models.transformers.checkpoints import (
    FIELD,
    encoded,
    must_be_cached,
    prompt_of,
    require_chat_template,
    short_name,
)
from selfagg.types import Delta, Message, Reply, Request, Stop, Usage

_OWN: Final = ("n", "seed", "stop", "output_kind", "prompt_logprobs")
"""Sampling parameters that are selfagg's to set."""


def connect(spec: str, access: Access) -> VLLMModel:
    """Return the model that ``vllm:NAME``, ``vllm:FOLDER`` or ``vllm:NAME,SETTING=VALUE,...`` names.

    The settings are vLLM's own engine arguments, e.g. ``tensor_parallel_size=2``.
    """
    name, *settings = spec.split(",")
    if not name:
        raise UsageError("vllm: names no model; write vllm:OWNER/NAME or vllm:FOLDER")
    given: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"vllm: {setting!r} is no setting; write NAME=VALUE, e.g. tensor_parallel_size=2")
        try:
            given[key.strip().replace("-", "_")] = json.loads(value)
        except ValueError:
            given[key.strip().replace("-", "_")] = value
    return VLLMModel(name, given, concurrency=access.concurrency, context=access.context)


class VLLMModel:
    """A model on vLLM's asynchronous engine.

    vLLM batches calls continuously, keeps shared prefixes, and spreads the model over the GPUs that its settings
    name. Each call has its own seed; the same seed gives the same reply but for the last bits of the probabilities,
    which hang on what else is in the batch. The whole distribution is sampled unless ``top_p`` or a sampling parameter
    in ``extra_body`` cuts it; with ``server_defaults`` what the checkpoint's generation_config.json says does.
    """

    def __init__(
        self,
        name: str,
        settings: Mapping[str, Any] | None = None,
        *,
        concurrency: int | None = None,
        context: int | None = None,
    ) -> None:
        """Name the model; nothing is loaded before entering.

        Args:
            name: A hub id or a folder.
            settings: vLLM's engine arguments by name (``tensor_parallel_size``, ``data_parallel_size``, ``dtype``,
                ``gpu_memory_utilization``, ...).
            concurrency: Most calls at once; None: what vLLM has set itself up for (``max_num_seqs`` of each replica).
            context: Tokens that prompt and reply may have together; None: as vLLM finds it.
        """
        self.name = f"vllm:{short_name(name)}"
        self.concurrency = concurrency or 256
        self.context = context
        self._model, self._settings = name, dict(settings or {})
        self._given_concurrency, self._given_context = concurrency, context
        self._engine: Any = None

    def __repr__(self) -> str:
        return f"VLLMModel({self._model!r}, {self._settings!r})"

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._load)
        engine = self._engine
        try:
            self._tokenizer: Any = engine.get_tokenizer()
            require_chat_template(self._tokenizer, self._model)
        except BaseException:
            await self.__aexit__()
            raise
        self.context = engine.model_config.max_model_len
        config = engine.vllm_config
        calls = config.scheduler_config.max_num_seqs * config.parallel_config.data_parallel_size
        self.concurrency = self._given_concurrency or calls
        return self

    async def __aexit__(self, *exception: object) -> None:
        """End the engine and its processes; calls still running fail."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await asyncio.to_thread(engine.shutdown)
            del engine
            gc.collect()  # what is left of it would complain when the process ends

    def _load(self) -> None:
        """Set the engine instead of returning it: what vLLM keeps of this call would keep it alive."""
        if not Path(self._model).expanduser().exists():
            must_be_cached(self._model)  # for its sentence: vLLM's own errors fill a page
        # Unless the user says otherwise: no report to vLLM's makers, no log between our own lines.
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        try:
            vllm = import_module("vllm")
            engine = import_module("vllm.v1.engine.async_llm").AsyncLLM
        except ImportError as error:
            raise UsageError(f"{self.name} needs vLLM ({error}): pip install 'selfagg[vllm]'") from None
        known = [field.name for field in dataclasses.fields(vllm.AsyncEngineArgs)]
        for key in self._settings:
            if key not in known:
                raise UsageError(f"vLLM has no engine argument {key!r}; {suggest(key, known)}")
        settings: dict[str, Any] = {"disable_log_stats": True, "max_model_len": self._given_context}
        if import_module("vllm.platforms").current_platform.is_cpu():
            settings["enable_chunked_prefill"] = False  # the CPU build of 0.32 dies of a prompt in parts with a seed
        try:
            arguments = vllm.AsyncEngineArgs(model=str(Path(self._model).expanduser()), **settings | self._settings)
            self._engine = engine.from_engine_args(arguments)
        except Exception as error:
            raise UsageError(f"vLLM cannot load {self._model}: {_reason(error)}") from None

    async def sample(self, request: Request) -> Reply:
        """Sample one reply; see `Model.sample`. Cancelling aborts it in the engine.

        Log-probabilities are the model's own, at a temperature of 1, one for each token that ``usage`` counts.
        """
        async with aclosing(self._replies(request, "FINAL_ONLY")) as items:
            reply = [item async for item in items][-1]
        assert isinstance(reply, Reply)  # noqa: S101 - the last item
        return reply

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        thinking = Thinking()
        async with aclosing(self._replies(request, "DELTA")) as items:
            async for item in items:
                for delta in thinking.feed(item) if isinstance(item, str) else thinking.rest():
                    yield delta
                if isinstance(item, Reply):
                    yield item

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        return len(await encoded(self._tokenizer, messages))

    async def _replies(self, request: Request, kind: str) -> AsyncGenerator[str | Reply, None]:
        """Yield the pieces of a reply's text as the engine gives them, and the whole at the end."""
        if self._engine is None:
            raise RuntimeError("the model is used outside of its `async with`")
        start, texts, tokens, finish = time.perf_counter(), list[str](), 0, None
        logprobs: list[float] = []
        usage = Usage()
        prompt, limit = await prompt_of(self._tokenizer, request, self.context)
        own = self._engine.model_config.get_diff_sampling_param() if request.sampling.server_defaults else {}
        parameters = _parameters(request, kind, own, limit)
        dead = import_module("vllm.v1.engine.exceptions").EngineDeadError
        refused = import_module("vllm.exceptions").VLLMClientError
        generated = self._engine.generate({"prompt_token_ids": prompt}, parameters, uuid4().hex)
        try:
            async with aclosing(generated) as outputs:
                async for output in outputs:
                    part = output.outputs[0]
                    texts.append(part.text)
                    tokens += len(part.token_ids)
                    finish = part.finish_reason or finish
                    usage = Usage(len(output.prompt_token_ids), output.num_cached_tokens or 0, tokens)
                    if part.logprobs is not None:
                        logprobs += [of[token].logprob for token, of in zip(part.token_ids, part.logprobs, strict=True)]
                    yield str(part.text)
        except dead:
            raise ModelError("vLLM's engine died; what it last said is above", fatal=True) from None
        except (refused, ValueError) as error:
            raise ModelError(f"vLLM refused the call: {_reason(error)}") from None
        except RuntimeError as error:
            raise ModelError(f"vLLM broke the call off: {_reason(error)}") from None
        if finish not in ("stop", "length"):
            raise ModelError(f"vLLM broke the call off ({finish or 'without a word'})")
        reasoning, text = split_reasoning("".join(texts))
        stop = Stop.LENGTH if finish == "length" else Stop.FINISHED
        noted = tuple(logprobs) if request.sampling.logprobs else None
        yield Reply(text, reasoning, stop, usage, noted, seconds=time.perf_counter() - start)


def _parameters(request: Request, kind: str, own: Mapping[str, Any], limit: int) -> Any:
    """Return a request in vLLM's terms; settings that it leaves open are the checkpoint's ``own``."""
    vllm = import_module("vllm")
    sampling = request.sampling
    extra = {name: value for name, value in sampling.extra_body.items() if name != FIELD}
    for name in extra:
        if name in _OWN or name not in vllm.SamplingParams.__struct_fields__ or name.startswith("_"):
            raise ModelError(f"extra_body: {name!r} is no sampling parameter of vLLM that can be set here", fatal=True)
    given: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": own.get("top_p", 1.0) if sampling.top_p is None else sampling.top_p,
        "max_tokens": limit,
        "stop": list(sampling.stop),
        "logprobs": 0 if sampling.logprobs else None,
        "seed": request.seed,
        "output_kind": import_module("vllm.sampling_params").RequestOutputKind[kind],
    }
    try:
        return vllm.SamplingParams(**{**own, **given, **extra})
    except Exception as error:
        raise ModelError(f"vLLM refuses the sampling parameters: {_reason(error)}", fatal=True) from None


def _reason(error: BaseException) -> str:
    """Return the sentence of an error that says most: pydantic's begin with a heading."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if not line.endswith("Config")), type(error).__name__)
