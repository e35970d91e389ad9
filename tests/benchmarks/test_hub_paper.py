"""The authors' files: fetched once from an archive, read from a clone, and their words kept when asked."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from selfagg.benchmarks import benchmark, hub, load_questions
from selfagg.errors import UsageError

CLOSINGS = {
    "MathArena/aime_2025": " Let's think step by step and output the final answer within \\boxed{}.",
    "reasoning_gym": " Let's think step by step and output the final answer between <answer> and </answer> tags.",
    "m-a-p/SuperGPQA": "\n\nThink step by step and output the final correct option letter within \\boxed{}; e.g. A.",
}


def row(source: str, number: int, **info: Any) -> dict[str, Any]:
    return {
        "data_source": source,
        "prompt": [{"role": "user", "content": f"Question {number}?{CLOSINGS.get(source, '')}"}],
        "ability": "any",
        "reward_model": {"style": "rule", "ground_truth": "A"},
        "extra_info": {"index": number, **info},
    }


def parquet(rows: list[dict[str, Any]]) -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), written)
    return written.getvalue()


def archive(files: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"RSA-abc/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(f"RSA-abc/{name}")
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return packed.getvalue()


GYM = {"dataset_name": "chain_sum", "entry": json.dumps({"question": "1 + 1?", "answer": "2", "metadata": {}})}
FILES = {
    "README.md": b"words",
    "data/aime25/train.parquet": parquet([row("MathArena/aime_2025", 1), row("MathArena/aime_2025", 2)]),
    "data/rg_games/train.parquet": parquet([row("reasoning_gym", 1, **GYM)]),
    "data/supergpqa/part_1.parquet": parquet([row("m-a-p/SuperGPQA", 1, uuid="one")]),
    "data/supergpqa/part_2.parquet": parquet([row("m-a-p/SuperGPQA", 2, uuid="two")]),
}


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive in the place of the network's, and an empty cache; the working directory holds no ``paper``."""
    where = tmp_path / "archive.tar.gz"
    where.write_bytes(archive(FILES, {"data/aime25/more.parquet": "/etc/passwd"}))
    monkeypatch.setattr(hub, "ARCHIVE", where.as_uri())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return where


def test_the_archive_is_fetched_once_for_all_benchmarks(published: Path) -> None:
    assert [question.text for question in load_questions("aime25", data=hub.PAPER)] == ["Question 1?", "Question 2?"]
    published.unlink()
    assert [question.id for question in load_questions("supergpqa", data=hub.PAPER, size="all")] == ["two", "one"]
    assert load_questions("rg-games", data=hub.PAPER)[0].data["task"] == "chain_sum"
    with pytest.raises(UsageError, match="holds no data files"):
        load_questions("hmmt25", data=hub.PAPER)  # not in this archive


@pytest.mark.parametrize("broken", [b"no archive", archive(FILES)[:400], b""])
def test_what_cannot_be_fetched_is_said_and_nothing_is_kept(published: Path, tmp_path: Path, broken: bytes) -> None:
    published.write_bytes(broken)
    with pytest.raises(UsageError, match=r"files of aime25 can be had neither from file.* nor from the cache"):
        load_questions("aime25", data=hub.PAPER)
    assert not list((tmp_path / "cache").rglob("*.parquet"))


def test_the_hub_stands_for_what_the_authors_read_from_it(published: Path) -> None:
    assert hub.paper_data(benchmark("livecodebench"), hub.PAPER) is None
    assert hub.paper_data(benchmark("humaneval"), None) is None
    assert hub.paper_data(benchmark("humaneval"), Path("here")) == Path("here")


def test_benchmarks_that_the_authors_do_not_publish(published: Path) -> None:
    with pytest.raises(UsageError, match="authors publish no questions of humaneval"):
        load_questions("humaneval", data=hub.PAPER)


def test_a_clone_of_the_repository_serves_too(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    for folder in (tmp_path, tmp_path / "data"):
        assert len(load_questions("aime25", data=folder)) == 2
        assert len(load_questions("supergpqa", data=folder)) == 2


def test_a_folder_called_paper_comes_first(published: Path, tmp_path: Path) -> None:
    own = tmp_path / "paper"
    own.mkdir()
    pq.write_table(pa.Table.from_pylist([row("MathArena/aime_2025", 9)]), own / "aime25.parquet")
    assert [question.text for question in load_questions("aime25", data=hub.PAPER)] == ["Question 9?"]


@pytest.mark.parametrize("name", ["aime25", "rg-games", "supergpqa"])
def test_the_files_instruction_is_kept_when_asked(published: Path, name: str) -> None:
    own, kept = (load_questions(name, data=hub.PAPER, instruction=which)[0] for which in ("own", "file"))
    assert own.instruction is None
    assert kept.instruction == ""
    assert kept.text.startswith(own.text)
    assert kept.text.endswith(tuple(CLOSINGS.values()))


def test_an_instruction_that_no_file_has_cannot_be_kept(tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text('{"question": "1 + 1?", "answer": "2", "kind": "math"}')
    with pytest.raises(UsageError, match="question q-1 comes without an instruction that could be kept"):
        load_questions(str(file), instruction="file")
