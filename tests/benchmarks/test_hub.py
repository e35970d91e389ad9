from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from selfagg.benchmarks.matharena import AIME25

PROGRAM = """
import sys
from selfagg.benchmarks import load_questions
from selfagg.errors import UsageError
try:
    print([q.id for q in load_questions("aime25")])
except UsageError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    """Address of a server that gives the one file as the hub does, and nothing else."""
    assert AIME25.hub
    content = tmp_path / "served.parquet"
    rows = {"problem_idx": [1, 2], "problem": ["1 + 1?", "2 + 2?"], "answer": [2, 4], "problem_type": [["A"], []]}
    pq.write_table(pa.table(rows), content)
    [file] = AIME25.hub.files
    served = f"/datasets/{AIME25.hub.repo}/resolve/{AIME25.hub.revision}/{file}"
    revision = AIME25.hub.revision

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def answer(self, *, with_body: bool) -> None:
            body = content.read_bytes() if self.path == served else b""
            self.send_response(200 if body else 404)
            self.send_header("ETag", '"0123456789abcdef"')
            self.send_header("X-Repo-Commit", revision)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def load(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    # A process of its own: the hub's client reads its environment once, when imported.
    settings = {"HF_HOME": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": "1", **environment}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, env=inherited | settings, capture_output=True, text=True, timeout=60, check=False)


def test_files_come_from_the_hub_once_and_then_from_its_cache(tmp_path: Path, hub: str) -> None:
    expected = "['aime25-1', 'aime25-2']"
    fetched = load(tmp_path, HF_ENDPOINT=hub)
    assert fetched.stdout.strip() == expected, fetched.stderr
    assert load(tmp_path, HF_HUB_OFFLINE="1").stdout.strip() == expected
    assert load(tmp_path, HF_ENDPOINT="http://127.0.0.1:9").stdout.strip() == expected


@pytest.mark.parametrize("environment", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_a_hub_out_of_reach_is_said_in_one_sentence(tmp_path: Path, environment: dict[str, str]) -> None:
    failed = load(tmp_path, **environment)
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert failed.stderr.startswith(
        "MathArena/aime_2025 can be had neither from the Hugging Face hub nor from its cache"
    )
    assert failed.stderr.endswith("give a local copy of aime25 with --data PATH\n")
