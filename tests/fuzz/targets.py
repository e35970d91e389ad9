"""Everything that reads what comes from outside, each as a function of bytes that may raise nothing.

Errors that are meant for a person or for the retries are caught here; whatever else comes out is a fault. What is read
must also be fit to be kept: it goes into the tables of a record.
"""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import pyarrow  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]
from aiohttp import web

from selfagg.benchmarks.base import Selection
from selfagg.benchmarks.file import load_file
from selfagg.cli.generate import json_object
from selfagg.errors import ModelError, SelfaggError
from selfagg.html_report.markup import nodes
from selfagg.models import Access, simulated
from selfagg.models.openai.address import Credentials, read_address
from selfagg.models.openai.client import Server
from selfagg.models.openai.refusal import Refusal, refusal
from selfagg.models.openai.wire import ReplyAssembly, read_reply
from selfagg.models.pace import TransientError
from selfagg.models.reasoning import split_reasoning
from selfagg.record.migrations import SCHEMA
from selfagg.record.record import Record
from selfagg.record.rows import INSERT_GENERATION, INSERT_QUESTION, Generation, generation_row, question_row, storable
from selfagg.scoring import scorer_for
from selfagg.scoring.answers.values import plain_number, text_value, unwrapped
from selfagg.scoring.code_tests import read_tests
from selfagg.scoring.text import text_key
from selfagg.server.errors import APIError, parsed
from selfagg.server.fields import ChatRequest, read
from selfagg.types import KINDS, Member, Question, Reply

Target = Callable[[bytes], None]

_LOOP = asyncio.new_event_loop()


@cache
def _tables() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    database.executescript(SCHEMA)
    return database


def _keep_reply(reply: Reply) -> None:
    row = generation_row(Generation(0, Member(1, 0, reply=reply)))
    _tables().execute(INSERT_GENERATION, tuple(map(storable, row)))


def _keep_question(question: Question) -> None:
    _tables().execute("DELETE FROM questions")
    _tables().execute(INSERT_QUESTION, question_row(0, question))


Answer = tuple[int, str, bytes]


@cache
def _server() -> tuple[Server, dict[str, Answer]]:
    """A connection to a real server, and a place for what that answers next: status, kind and body."""
    answers: dict[str, Answer] = {}

    async def answer(_: web.Request) -> web.Response:
        status, kind, body = answers["it"]
        return web.Response(status=status, content_type=kind, body=body)

    async def start() -> Server:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        server = Server(read_address(url), Credentials("key", None), timeout_s=60)
        server.open()
        return server

    return _LOOP.run_until_complete(start()), answers


def reply(data: bytes) -> None:
    """A whole answer of a server: the first byte decides its status."""
    server, answers = _server()
    answers["it"] = ((200, 200, 200, 400, 429, 500)[data[0] % 6] if data else 200, "application/json", data[1:])
    with suppress(TransientError, ModelError):
        try:
            answer = _LOOP.run_until_complete(server.ask("chat/completions", {}))
            _keep_reply(read_reply(answer, seconds=1.0, verbatim=True))
        except Refusal as refused:
            raise refused.error("host", proven=True) from None


def stream(data: bytes) -> None:
    """A streamed answer, event by event."""
    server, answers = _server()
    answers["it"] = (200, "text/event-stream", data)

    async def ask() -> Reply:
        assembly = ReplyAssembly(verbatim=True)
        async for event in server.events("chat/completions", {}):
            list(assembly.add(event))
        list(assembly.rest())
        return assembly.reply(seconds=1.0)

    with suppress(TransientError, Refusal):
        _keep_reply(_LOOP.run_until_complete(ask()))


def refused(data: bytes) -> None:
    """A refusal's body and its headers."""
    text = data.decode("utf-8", "replace")
    headers = {"retry-after": text[:40], "retry-after-ms": text[40:60]}
    with suppress(TransientError, ModelError):
        raise refusal(400 + len(data) % 200, text, headers, ["key"]).error("host", proven=False)


def response(data: bytes) -> None:
    """What a model wrote: its reasoning, its answer under every kind, its keys for a vote, its place in a report."""
    text = data.decode("utf-8", "replace")
    split_reasoning(text)
    for kind in KINDS:
        answer = scorer_for(kind).answer(Question("q", "?", kind), text)
        assert answer is None or kind in ("choice", "code") or answer in text
    text_key(text)
    unwrapped(text)
    plain_number(text)
    text_value(text)
    json.dumps(nodes(text))


def _file(suffix: str) -> Target:
    def target(data: bytes) -> None:
        with tempfile.NamedTemporaryFile(suffix=suffix) as file:
            file.write(data)
            file.flush()
            with suppress(SelfaggError):
                for question in load_file(Path(file.name), Selection()):
                    _keep_question(question)

    return target


def columns(data: bytes) -> None:
    """A parquet file that is well-formed and holds anything: its values from JSON lines."""
    with suppress(ValueError, RecursionError, pyarrow.ArrowException, OverflowError):
        rows = [row for line in data.decode().splitlines() if isinstance(row := json.loads(line), dict)]
        table, file = pyarrow.Table.from_pylist(rows), io.BytesIO()
        pyarrow.parquet.write_table(table, file)
        _file(".parquet")(file.getvalue())


def tests(data: bytes) -> None:
    """A programming problem's tests."""
    with suppress(ValueError, RecursionError):
        value = json.loads(data)
        with suppress(SelfaggError):
            read_tests(value if isinstance(value, dict) else {"format": "stdin", "packed": value})


def options(data: bytes) -> None:
    """What a command line's options hold beyond plain numbers."""
    text = data.decode("utf-8", "replace")
    with suppress(SelfaggError):
        json_object("--extra-body", text)
    with suppress(SelfaggError):
        simulated.connect(text, Access())


def body(data: bytes) -> None:
    """The body of a request to the server."""
    with suppress(APIError):
        read(ChatRequest, parsed(data))


@cache
def _recorded() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.sqlite")
        with Record(path) as record:
            record.begin({"method": {"name": "rsa"}, "model": "simulated:"}, [Question("a", "A?"), Question("b", "B?")])
            for i in range(8):
                _LOOP.run_until_complete(record.save(Generation(i % 2, Member(1, i, reply=Reply(f"{i}" * 50)))))
        return path.read_bytes()


def record(data: bytes) -> None:
    """A damaged record: every five bytes name a place and what stands there."""
    damaged = bytearray(_recorded())
    for start in range(0, len(data) - 4, 5):
        damaged[int.from_bytes(data[start : start + 4], "little") % len(damaged)] = data[start + 4]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.sqlite")
        path.write_bytes(damaged)
        with suppress(SelfaggError), Record(path, read_only=True) as opened:
            opened.configuration, opened.about, opened.seconds  # noqa: B018
            list(opened.questions())
            for position in range(2):
                opened.members(position, role=None)
                opened.weights(position)
            opened.query("SELECT count(*), sum(prompt_tokens) FROM generations")
        assert path.read_bytes() == damaged


TARGETS: dict[str, Target] = {
    "reply": reply,
    "stream": stream,
    "refused": refused,
    "response": response,
    "jsonl": _file(".jsonl"),
    "json": _file(".json"),
    "parquet": _file(".parquet"),
    "columns": columns,
    "tests": tests,
    "options": options,
    "body": body,
    "record": record,
}

WORDS: dict[str, tuple[str, ...]] = {
    "reply": (
        '{"choices": [{"message": {"content": "a"}}]}', '"choices"', '"message"', '"content"', '"usage"', '"error"',
        '"prompt_tokens"', '"finish_reason"', '"logprobs"', '"logprob"', '"reasoning"', '"thinking"', '"type"', "1e999",
        "NaN", "9" * 400, '"tool_calls"', '"delta"', '"index"', '"function"', '"arguments"', '"\\ud800"', "<think>",
    ),
    "response": (
        r"\boxed{", r"\fbox{", "{", "}", r"\{", "<answer>", "</answer>", "<think>", "</think>", "```", "~~~", "python",
        "$", "$$", r"\(", r"\)", r"\[", r"\]", r"\begin{align}", r"\frac", "|", "> ", "- ", "1. ", "# ", "A", "B.", "`",
        "\n", " ", "\t", "*", "_", "[", "](", "\\", "3,000", r"\text{", "<", "&", "0",
    ),
    "rows": (
        '{"question": "a", "answer": "b"}', '"question"', '"answer"', '"kind"', '"math"', '"choice"', '"code"', '"id"',
        '"reasoning_gym"', '"options"', '"data"', '"instruction"', '"group"', '"prompt"', '"reward_model"', '"role"',
        '"ground_truth"', '"data_source"', '"extra_info"', '"content"', '"format"', '"stdin"', '"cases"', '"packed"',
        '"check"', "null", "0", "true", "[]", "1e400", "-1", '"\\udc00"', "NaN", "9" * 400,
    ),
    "body": (
        '{"model": "m", "messages": [{"role": "user", "content": "a"}]}', '"rsa"', '"n"', '"k"', '"t"', '"stream"',
        '"tools"', '"stop"', '"seed"', '"messages"', '"model"', '"deadline_s"', "1e400", "NaN", "9" * 400, '"\\ud800"',
    ),
    "options": ("p=", "tokens=", "cv=", "speed=", "fail=", ",", "1e308", "nan", "inf", "-1", "9" * 400, "0.5"),
}  # fmt: skip
"""Pieces that inputs are made of; JSON's own come with them."""

JSON_WORDS = ("{", "}", "[", "]", ":", ",", '"', "\\", "\n", "1", "true", "null", '"a"', "data: ", "data: [DONE]\n\n")

VOCABULARY = {
    "reply": "reply", "stream": "reply", "refused": "reply", "response": "response", "jsonl": "rows", "json": "rows",
    "columns": "rows", "tests": "rows", "options": "options", "body": "body",
}  # fmt: skip


def words(target: str) -> tuple[str, ...]:
    """The pieces for one target; none for one that reads no text."""
    return (*WORDS[VOCABULARY[target]], *JSON_WORDS) if target in VOCABULARY else ()
