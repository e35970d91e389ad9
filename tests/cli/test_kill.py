"""Kill -9 at any moment: what is recorded stays, is never bought again, and the end is as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

EXECUTABLE = Path(sys.executable).with_name("selfagg")
ARGUMENTS = ["-n", "8", "-k", "4", "-t", "4", "--model", "simulated:tokens=400,speed=8000,slots=4,unanswered=0.1"]
SEED = int(os.environ.get("SELFAGG_SEEDS", "1").split(",")[0])
"""Of the moments of the kills; another one by SELFAGG_SEEDS=2."""

Rows = dict[tuple[Any, ...], tuple[Any, ...]]
Run = Callable[..., subprocess.CompletedProcess[str]]


def generations(record: Path) -> Rows:
    """Every recorded generation by its address: all that was written of it, the moment of its call included."""
    if not record.exists():
        return {}
    database = sqlite3.connect(record)
    try:
        rows = database.execute("SELECT question, t, i, role, * FROM generations").fetchall()
    except sqlite3.OperationalError:  # killed before there was a table
        return {}
    finally:
        database.close()
    return {row[:4]: row[4:] for row in rows}


def populations(record: Path) -> list[tuple[Any, ...]]:
    """What a run came to: everything but the times."""
    with sqlite3.connect(record) as database:
        return (
            database.execute(
                "SELECT g.question, g.role, g.t, g.i, parents, prompt, cut, seed, text, stop, prompt_tokens, "
                "completion_tokens, answer, score, same FROM generations g "
                "JOIN scores s ON s.question = g.question AND s.t = g.t AND s.i = g.i ORDER BY 1, 2, 3, 4"
            ).fetchall()
            + database.execute("SELECT id, body, weights FROM questions ORDER BY position").fetchall()
        )


def kill_in_the_middle(
    command: list[str],
    folder: Path,
    environment: dict[str, str],
    moment: random.Random,
    done: Callable[[], int],
) -> bool:
    """Start a run and kill it: a quarter of the time while it starts, else when some more calls are ``done``.

    Returns:
        True if it was still running.
    """
    enough = done() + moment.randrange(40)
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr
    if moment.random() < 0.75:
        process.stderr.readline()  # the record is open
        while done() < enough and process.poll() is None:
            time.sleep(0.01)
    else:
        time.sleep(moment.uniform(0.0, 0.6))
    running = process.poll() is None
    process.kill()
    process.wait()
    process.stderr.close()
    return running


def check_survivors(before: Rows, after: Rows) -> None:
    """Nothing is lost or made again, and no recorded member has a parent that is not recorded."""
    assert before.items() <= after.items()
    for question, t, i, _ in after:
        if t > 1:
            parents = json.loads(after[question, t, i, "candidate"][4])
            assert all((question, t - 1, j, "candidate") in after for j in parents)


@pytest.mark.parametrize("kills", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_a_killed_run_loses_and_repeats_nothing(
    kills: int, run: Run, questions: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole.sqlite", tmp_path / "killed.sqlite"
    # enough to do that the last kills still find work
    size = 6 if kills <= 6 else 40
    rows = [{"question": f"What is {i} + {i}?", "answer": str(2 * i)} for i in range(size)]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run("eval", questions, *ARGUMENTS, "--record", whole).returncode == 0

    command = [str(EXECUTABLE), "eval", str(questions), *ARGUMENTS, "--record", str(killed)]
    moment, recorded, found_running = random.Random(SEED * 1000 + kills), generations(killed), 0
    for _ in range(kills):
        found_running += kill_in_the_middle(command, tmp_path, environment, moment, lambda: len(generations(killed)))
        now = generations(killed)
        check_survivors(recorded, now)
        recorded = now
    assert found_running >= kills // 3  # else this test tested little

    done = run("eval", questions, *ARGUMENTS, "--record", killed, "--json")
    assert done.returncode == 0, done.stderr
    check_survivors(recorded, generations(killed))
    assert populations(killed) == populations(whole)
    assert json.loads(done.stdout)["calls"] == len(generations(killed)) == size * 8 * 4


class CountingServer(ThreadingHTTPServer):
    """An OpenAI-compatible server that answers after 30 ms and keeps the seed of every call."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.seeds: list[int] = []


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send({"data": [{"id": "tiny", "max_model_len": 8192}]})

    def do_POST(self) -> None:
        seed = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["seed"]
        assert isinstance(self.server, CountingServer)
        self.server.seeds.append(seed)
        time.sleep(0.03)
        message = {"role": "assistant", "content": f"<answer>{seed % 3}</answer>"}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        self._send({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage})

    def _send(self, body: object) -> None:
        content = json.dumps(body).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:  # the caller was killed
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[CountingServer]:
    http = CountingServer()
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    try:
        yield http
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def test_a_server_is_never_asked_again_for_what_is_recorded(
    server: CountingServer, run: Run, questions: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    record = tmp_path / "run.sqlite"
    url = f"http://127.0.0.1:{server.server_port}/v1"
    arguments = ["eval", str(questions), "-n", "8", "-k", "4", "-t", "4", "--model", "openai:tiny", "--base-url", url]
    arguments += ["--concurrency", "4", "--record", str(record)]
    moment, bought = random.Random(SEED), set[int]()
    for _ in range(3):
        server.seeds.clear()
        command = [str(EXECUTABLE), *arguments]
        kill_in_the_middle(command, tmp_path, environment, moment, lambda: len(generations(record)))
        assert not bought & set(server.seeds)
        bought = {row[7] for row in generations(record).values()}
    assert bought
    server.seeds.clear()
    assert run(*arguments).returncode == 0
    assert not bought & set(server.seeds)
    assert bought | set(server.seeds) == {row[7] for row in generations(record).values()}
    assert len(generations(record)) == 6 * 8 * 4
