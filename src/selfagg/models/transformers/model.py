"""Transformers in this process: any checkpoint, on the CPU or a GPU, batched continuously."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Self

from selfagg.errors import ModelError, UsageError
from selfagg.models import Access
from selfagg.models.reasoning import split_reasoning
from selfagg.models.transformers.checkpoints import (
    FIELD,
    encoded,
    load,
    prompt_of,
    require_chat_template,
    short_name,
)
from selfagg.models.transformers.decoding import (
    Choice,
    Decoding,
    DecodingRow,
    Outcome,
    Queue,
    cache_room,
    end_tokens,
    require_batchable,
)
from selfagg.types import Message, Reply, Request, Sampling, Stop, Usage

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ROWS: Final = 256
"""Calls at once where nobody says otherwise."""
_FIELDS: Final = ("top_k", "min_p", FIELD)
_GATHERING_S: Final = 0.001  # an idle model waits for so long that no further call arrives before it begins


def connect(spec: str, access: Access) -> HFCheckpoint:
    """Return the model of ``hf:NAME``, ``hf:FOLDER`` or ``hf:FILE.gguf``."""
    if not spec:
        raise UsageError("hf: names no model; write hf:OWNER/NAME, hf:FOLDER, hf:FILE.gguf or hf:local")
    return HFCheckpoint(spec, concurrency=access.concurrency, context=access.context)


class HFModel:
    """A loaded model of transformers, on whatever device it is.

    Calls that wait are written together; finished ones leave the batch and others join it. Each call draws its
    tokens by random numbers of its own, which follow from its seed: the same seed gives the same reply, but for the
    last bits of the probabilities, which hang on what else is in the batch and tip a draw now and then (less often in
    float32 than in bfloat16). The whole distribution is sampled unless ``top_p`` (or ``top_k``, ``min_p`` in
    ``extra_body``) cuts it; with ``server_defaults`` what the checkpoint's generation_config.json says does.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str = "hf",
        concurrency: int | None = None,
        context: int | None = None,
    ) -> None:
        """Connect to a model that is loaded already.

        Args:
            model: A causal language model. In evaluation mode between entering and leaving; nobody else may use it
                while a call runs.
            tokenizer: Its tokenizer, with a chat template.
            name: Name of the model in records.
            concurrency: Most calls at once, as far as memory holds their caches; None: 256. Further calls wait. For
                models of a million weights, 1,024 are faster.
            context: Tokens that prompt and reply may have together; None: what the model was trained on.

        Raises:
            UsageError: There is no chat template, the context is more than the model's, or the model is of a kind that
                cannot be batched here.
        """
        self._name(name, concurrency, context)
        self._take(model, tokenizer)

    def _name(self, name: str, concurrency: int | None, context: int | None) -> None:
        self.name = name
        self.concurrency = concurrency or ROWS
        self.context = context
        self._queue: Queue | None = None
        self._calls: dict[DecodingRow, asyncio.Future[Reply]] = {}

    def _take(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        require_chat_template(tokenizer, self.name)
        require_batchable(model, self.name)
        trained = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        if self.context and trained and self.context > trained:
            raise UsageError(f"a context of {self.context} tokens: {self.name} was trained on up to {trained}")
        self.context = self.context or trained
        self._model, self._tokenizer = model, tokenizer

    async def __aenter__(self) -> Self:
        """Start the thread that writes."""
        self._was_training = self._model.training
        self._model.train(False)
        decoding = Decoding(self._model, self._decode, end_tokens(self._model, self._tokenizer))
        self._queue = Queue(decoding, most=self.concurrency, room=cache_room(self._model))
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="selfagg-hf")
        self._arrival = asyncio.Event()
        self._worker = asyncio.create_task(self._work(self._queue))
        return self

    async def __aexit__(self, *exception: object) -> None:
        """End the thread with its next token; cancel calls that still run."""
        queue, self._queue = self._queue, None
        if queue is None:
            return
        for row, future in self._calls.items():
            row.cancelled = True
            future.cancel()
        self._worker.cancel()
        await asyncio.gather(self._worker, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown)
        self._calls.clear()
        self._model.train(self._was_training)

    async def sample(self, request: Request) -> Reply:
        """Sample one reply; see `Model.sample`. A cancelled call frees its place in the batch with the next token.

        Log-probabilities are the model's own, at a temperature of 1, one for each token that ``usage`` counts.
        """
        if self._queue is None:
            raise RuntimeError("the model is used outside of its `async with`")
        sampling = request.sampling
        prompt, limit = await prompt_of(self._tokenizer, request, self.context)
        choice, chance = _choice(sampling, self._model), random.Random(request.seed)
        row = DecodingRow(prompt, limit, choice, chance, stops=sampling.stop, logprobs=sampling.logprobs)
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._calls[row] = future
        self._queue.arrived.append(row)
        self._arrival.set()
        try:
            return await future
        finally:
            row.cancelled = True
            self._calls.pop(row, None)

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        return len(await encoded(self._tokenizer, messages))

    async def _work(self, queue: Queue) -> None:
        """Let the thread write whenever there is something to write."""
        while True:
            await self._arrival.wait()
            seen = 0
            while seen < len(queue.arrived) < self.concurrency:
                seen = len(queue.arrived)
                await asyncio.sleep(_GATHERING_S)
            self._arrival.clear()
            try:
                await self._loop.run_in_executor(self._thread, queue.run, self._deliver)
            except Exception as error:
                self._resolve([(row, error) for row in self._calls])

    def _deliver(self, outcomes: Sequence[Outcome]) -> None:  # on the thread that writes
        results = [(row, error or self._written(row)) for row, error in outcomes if not row.cancelled]
        self._loop.call_soon_threadsafe(self._resolve, results)

    def _resolve(self, results: Sequence[tuple[DecodingRow, Reply | Exception]]) -> None:
        for row, result in results:
            future = self._calls.pop(row, None)
            if future is None or future.done():
                continue
            if isinstance(result, Reply):
                future.set_result(result)
            else:
                first = next(iter(str(result).splitlines()), type(result).__name__)
                future.set_exception(ModelError(f"{self.name} failed: {first}"))

    def _written(self, row: DecodingRow) -> Reply:
        text = self._decode(row.tokens)
        cuts = [place for place in map(text.find, row.stops) if place >= 0]
        reasoning, text = split_reasoning(text[: min(cuts)] if cuts else text)
        stop = Stop.FINISHED if row.ended else Stop.LENGTH
        usage = Usage(prompt=len(row.prompt), completion=len(row.tokens))
        logprobs = tuple(row.noted) if row.logprobs else None
        return Reply(text, reasoning, stop, usage, logprobs, seconds=time.perf_counter() - row.start)

    def _decode(self, tokens: list[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False))


class HFCheckpoint(HFModel):
    """A model by its name: loaded when entered, freed when left."""

    def __init__(self, spec: str, *, concurrency: int | None = None, context: int | None = None) -> None:
        """Name the model, as for `selfagg.models.transformers.checkpoints.load`; load nothing before entering."""
        self._name(f"hf:{short_name(spec)}", concurrency, context)
        self._spec = spec

    def __repr__(self) -> str:
        return f"HFCheckpoint({self._spec!r})"

    async def __aenter__(self) -> Self:
        """Find or fetch the weights, and load them, or raise `UsageError`."""
        checkpoint = await asyncio.to_thread(load, self._spec)
        self._take(checkpoint.model, checkpoint.tokenizer)
        return await super().__aenter__()

    async def __aexit__(self, *exception: object) -> None:
        await super().__aexit__(*exception)
        vars(self).pop("_model", None)


def _choice(sampling: Sampling, model: PreTrainedModel) -> Choice:
    """Return the choice of tokens; what the request leaves open is neutral, or as the checkpoint recommends.

    Raises:
        ModelError: ``extra_body`` has a field that means nothing here, or a value that cannot be one, or the
            checkpoint's generation_config.json asks for something that is not there.
    """
    told: Mapping[str, Any] = {}
    if sampling.server_defaults and model.generation_config is not None:
        told = model.generation_config.to_diff_dict()
    if told.get("repetition_penalty", 1.0) != 1.0:
        raise ModelError(
            "the checkpoint's generation_config.json asks for a repetition_penalty, which hf: does not have; "
            "vllm: has it, and --sampling neutral needs none",
            fatal=True,
        )
    unknown = [name for name in sampling.extra_body if name not in _FIELDS]
    if unknown:
        known = ", ".join(_FIELDS)
        raise ModelError(f"extra_body: a model in the process knows no field {unknown[0]!r}, only {known}", fatal=True)
    recommended = {name: told[name] for name in ("top_p", "top_k", "min_p") if told.get(name) is not None}
    extra = {"top_p": 1.0, "top_k": 0, "min_p": 0.0} | recommended | dict(sampling.extra_body)
    top_p = extra["top_p"] if sampling.top_p is None else sampling.top_p
    try:
        return Choice(sampling.temperature, top_p, max(0, int(extra["top_k"])), float(extra["min_p"]))
    except (TypeError, ValueError):
        raise ModelError("extra_body: top_k is a whole number, min_p a number", fatal=True) from None
