"""Whatever a person gets wrong: exit code 2, one sentence that says what and where, no traceback, nothing on stdout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from selfagg.record.record import Record

EXECUTABLE = Path(sys.executable).with_name("selfagg")
Run = Callable[..., subprocess.CompletedProcess[str]]


def refused(outcome: subprocess.CompletedProcess[str], *words: str) -> str:
    """The one sentence of a refusal; it holds all ``words``."""
    said = outcome.stderr.strip()
    assert outcome.returncode == 2, said
    assert outcome.stdout == ""
    assert said.startswith("selfagg: ")
    assert len(said.splitlines()) == 1, said
    for word in words:
        assert word in said
    return said


def refused_by_the_server(outcome: subprocess.CompletedProcess[str], *words: str) -> None:
    """The list of models told of it in a note, a call made sure: its words are in the last line."""
    note, *_, last = outcome.stderr.strip().splitlines()
    assert outcome.returncode == 2, outcome.stderr
    assert note.startswith("note: ")
    assert last.startswith("selfagg: ")
    assert "Traceback" not in outcome.stderr
    for word in words:
        assert word in last


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["evall"], ["evall", "eval"]),
        (["eval"], ["source"]),
        (["eval", "questions.jsonl", "--sizes", "3"], ["--sizes", "--size"]),
        (["eval", "questions.jsonl", "-n", "many"], ["-n", "valid int"]),
        (["eval", "questions.jsonl", "--schedule", "now"], ["--schedule", "now", "stepwise"]),
        (["eval", "questions.jsonl", "--method", "rssa"], ["rssa", "rsa"]),
        (["eval", "questions.jsonl", "-n", "0"], ["n = 0"]),
        (["eval", "questions.jsonl", "-t", "0"], ["t = 0"]),
        (["eval", "questions.jsonl", "-n", "4", "-k", "5"], ["k = 5", "n = 4"]),
        (["eval", "questions.jsonl", "--method", "majority", "-t", "2"], ["t = 2"]),
        (["eval", "questions.jsonl", "--candidate", "half"], ["half", "tail:TOKENS"]),
        (["eval", "questions.jsonl", "--extra-body", '{"top_k" 1}'], ["--extra-body", "column 10"]),
        (["eval", "questions.jsonl", "--extra-body", "[1]"], ["--extra-body", "object"]),
        (["eval", "questions.jsonl", "--temperature", "nan"], ["--temperature"]),
        (["eval", "questions.jsonl", "--top-p", "1.5"], ["--top-p"]),
        (["eval", "questions.jsonl", "--size", "few"], ["--size", "few"]),
        (["eval", "questions.jsonl", "--size", "7"], ["6 questions", "7"]),
        (["eval", "questions.jsonl", "--set", "terms"], ["terms", "KEY=VALUE"]),
        (["eval", "questions.jsonl", "--set", "terms=3"], ["terms"]),
        (["eval", "aime26"], ["aime26", "aime25"]),
        (["eval", "reasoning_gym:chain_sums"], ["chain_sums", "chain_sum"]),
        (["eval", "missing.jsonl"], ["missing.jsonl"]),
        (["eval", ""], ["empty"]),
        (["eval", "questions.jsonl", "--stop-string", ""], ["--stop-string"]),
        (["eval", "questions.jsonl", "--stop", "often"], ["no rule 'often' for stop", "share:0.875"]),
        (["solve", ""], ["empty"]),
        (["solve", "-"], ["empty"]),
        (["solve", "Why?", "--kind", "maths"], ["--kind", "maths", "math"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_arguments_that_cannot_work(run: Run, questions: Path, arguments: list[str], words: list[str]) -> None:
    model = ["--model", "simulated:"] if len(arguments) > 1 else []
    refused(run(*arguments, *model), *words)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("locall", ["locall", "local"]),
        ("gpt", ["gpt", "openai"]),
        ("local:missing.gguf", ["missing.gguf"]),
        ("simulated:q=1", ["'q'"]),
        ("simulated:p=2", ["p = 2"]),
    ],
)
def test_a_model_that_is_none(run: Run, questions: Path, model: str, words: list[str]) -> None:
    refused(run("eval", questions, "--model", model), *words)
    assert not list(questions.parent.glob("runs/*"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["empty"]),
        ('{"question": "a", "answer": 1}\n{"question": "b", "answer" 2}\n', ["line 2", "column 28"]),
        ('{"question": "a"}\n{"problem": "b"}\n', ["line 2", "'question'"]),
        ('{"question": "a", "kind": "maths"}\n', ["line 1", "'kind'", "math"]),
        ('{"question": "a", "id": 1}\n{"question": "b", "id": 1}\n', ["line 2", "line 1"]),
    ],
    ids=["empty", "broken", "no question", "unknown kind", "same id"],
)
def test_a_file_that_is_broken(run: Run, tmp_path: Path, content: str, words: list[str]) -> None:
    (tmp_path / "broken.jsonl").write_text(content)
    refused(run("eval", "broken.jsonl", "--model", "simulated:"), "broken.jsonl", *words)


class _Server(BaseHTTPRequestHandler):
    """Serves the model ``tiny`` to whoever has the key ``right``."""

    def do_GET(self) -> None:
        allowed = self.headers.get("Authorization") == "Bearer right"
        answer = {"data": [{"id": "tiny"}]} if allowed else {"error": {"message": "Incorrect API key", "code": 401}}
        self._answer(200 if allowed else 401, answer)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        allowed = self.headers.get("Authorization") == "Bearer right"
        self._answer(
            404 if allowed else 401, {"error": {"message": "nothing here" if allowed else "Incorrect API key"}}
        )

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}/v1"
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def test_a_server_that_is_not_there(run: Run, questions: Path) -> None:
    url = "http://127.0.0.1:9/v1"
    refused(run("eval", questions, "--model", "openai:tiny", "--base-url", url), url)


def test_a_wrong_key_is_not_repeated(run: Run, questions: Path, server: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("wr0ng-s3cret\n")
    outcome = run("eval", questions, "--model", "openai:tiny", "--base-url", server, "--api-key-file", "key")
    refused_by_the_server(outcome, "answered 401", "Incorrect API key")
    assert "wr0ng-s3cret" not in outcome.stderr


def test_a_key_file_that_is_not_there(run: Run, questions: Path, server: str) -> None:
    refused(
        run("eval", questions, "--model", "openai:tiny", "--base-url", server, "--api-key-file", "no-key"), "no-key"
    )


def test_a_model_that_the_server_does_not_have(run: Run, questions: Path, server: str) -> None:
    outcome = run("eval", questions, "--model", "openai:tinny", "--base-url", server, OPENAI_API_KEY="right")
    refused_by_the_server(outcome, "did you mean tiny?")


def test_a_context_too_small_for_the_question(run: Run, questions: Path) -> None:
    outcome = run("eval", questions, "--model", "simulated:context=20")
    assert outcome.returncode == 2
    assert "leaves no room for a reply" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert not list(questions.parent.glob("runs/*"))  # a record with nothing in it is not left behind


def test_a_record_of_another_run(run: Run, questions: Path) -> None:
    first = ["eval", questions, "--model", "simulated:", "-n", "4", "-t", "2", "--record", "run.sqlite"]
    assert run(*first).returncode == 0
    refused(run(*first, "-k", "3", "--seed", "7"), "run.sqlite", "method.k is 4 in the record, 3", "seed is 1234")
    refused(run("solve", "Why?", "--model", "simulated:", "--record", "run.sqlite"), "run.sqlite", "source")
    questions.write_text(questions.read_text().replace("What is 2", "How much is 2"))
    refused(run(*first), "question 3", "reads otherwise")


def test_a_record_that_another_process_writes(run: Run, questions: Path, tmp_path: Path) -> None:
    with Record(tmp_path / "run.sqlite"):
        refused(run("eval", questions, "--model", "simulated:", "--record", "run.sqlite"), "run.sqlite", "in use")


def test_a_file_that_is_no_record(run: Run, questions: Path) -> None:
    before = questions.read_text()
    refused(run("eval", questions, "--model", "simulated:", "--record", questions), "is not a selfagg record")
    assert questions.read_text() == before


def test_a_folder_that_cannot_be_written(run: Run, questions: Path, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):  # root may write anywhere but here
        folder = Path("/sys/kernel")
    refused(run("eval", questions, "--model", "simulated:", "--record", folder / "run.sqlite"), "cannot write record")


def test_a_full_disk(run: Run, questions: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    """On a file system of 400 kB: what was finished before it was full is kept, and the run goes on elsewhere."""
    mount = f"mkdir small && mount -t tmpfs -o size=400k none small && cd {tmp_path}"
    if (
        not shutil.which("unshare")
        or subprocess.run(["unshare", "-rm", "sh", "-c", mount], cwd=tmp_path, capture_output=True).returncode
    ):
        pytest.skip("this machine lets nobody mount a small file system")
    (tmp_path / "small").rmdir()
    command = f"{EXECUTABLE} eval {questions} --model simulated: -n 64 -t 10 --record small/run.sqlite"
    outcome = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f"{mount} && {command}; status=$?; cp small/run.sqlite* .; exit $status"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert outcome.returncode == 2
    assert "disk is full; what was finished before is kept" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    with Record(tmp_path / "run.sqlite") as record:
        ((generations,),) = record.query("SELECT count(*) FROM generations")
    assert 0 < generations < 6 * 64 * 10
