from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from selfagg.benchmarks import BENCHMARKS, Benchmark, benchmark, load_questions
from selfagg.benchmarks.validate import validate
from selfagg.errors import UsageError

DATA = os.environ.get("SELFAGG_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="SELFAGG_DATA names no folder with the evaluation sets")


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_line_of_the_table_leads_to_its_benchmark(name: str) -> None:
    found = benchmark(name)
    assert isinstance(found, Benchmark)
    assert found.name == name
    if found.hub:
        assert len(found.hub.revision) == 40
        int(found.hub.revision, 16)


def test_unknown_names_are_refused_with_the_near_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no benchmark 'aime26'; did you mean aime25"):
        load_questions("aime26")
    with pytest.raises(UsageError, match="ask for reasoning_gym:countdown"):
        load_questions("countdown")
    with pytest.raises(UsageError, match="aime25 takes no settings"):
        load_questions("aime25", data=tmp_path, settings={"year": "2024"})
    with pytest.raises(UsageError, match="no file or folder"):
        load_questions("aime25", data=tmp_path / "nothing")
    with pytest.raises(UsageError, match="holds no data files"):
        load_questions("aime25", data=tmp_path)


def test_a_folder_may_look_like_the_hub_or_hold_the_sets_by_name(tmp_path: Path) -> None:
    rows = {"problem_idx": [3], "problem": ["1 + 1?"], "answer": ["2"], "problem_type": [["Algebra"]]}
    hub = tmp_path / "data" / "train-00000-of-00001.parquet"
    hub.parent.mkdir()
    pq.write_table(pa.table(rows), hub)
    by_name = tmp_path / "sets"
    by_name.mkdir()
    pq.write_table(pa.table(rows), by_name / "hmmt25.parquet")
    (by_name / "aime25.parquet").write_text("another set, not read")
    [one], [other] = load_questions("hmmt25", data=tmp_path), load_questions("hmmt25", data=by_name)
    assert one == other
    assert (one.id, one.text, one.gold, one.kind, one.group) == ("hmmt25-3", "1 + 1?", "2", "math", "Algebra")


def gpqa_row(i: int) -> dict[str, Any]:
    return {
        "uuid": f"id{i}",
        "question": f"Question {i}?",
        "options": ["yes", "no", "both"],
        "answer": "no",
        "answer_letter": "B",
        "discipline": "Law",
        "field": "Law",
        "subfield": "Trade law",
        "difficulty": "easy",
        "is_calculation": False,
    }


@pytest.mark.parametrize("letter", ["D", "b", "AB"])
def test_a_letter_that_is_no_option_is_refused(tmp_path: Path, letter: str) -> None:
    file = tmp_path / "SuperGPQA-all.jsonl"
    file.write_text("\n".join(map(json.dumps, [gpqa_row(0), gpqa_row(1) | {"answer_letter": letter}])))
    with pytest.raises(UsageError, match=rf"line 2: the column 'answer_letter' is '{letter}', but there are 3 options"):
        load_questions("supergpqa", data=file)


def test_the_subset_of_supergpqa_is_fixed_whatever_the_order(tmp_path: Path) -> None:
    rows = [gpqa_row(i) for i in range(1500)]
    file = tmp_path / "SuperGPQA-all.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    subset = load_questions("supergpqa", data=tmp_path)
    random.Random(1).shuffle(rows)
    file.write_text("\n".join(map(json.dumps, rows)))
    assert load_questions("supergpqa", data=file) == subset
    assert (len(subset), len({q.id for q in subset})) == (1000, 1000)
    assert load_questions("supergpqa", data=file, size=10) == subset[:10]
    assert len(load_questions("supergpqa", data=file, size="all")) == 1500
    assert subset[0].text.endswith("?\n\nOption A : yes\n\nOption B : no\n\nOption C : both")
    assert (subset[0].gold, subset[0].kind, subset[0].group) == ("B", "choice", "Law")


@needs_data
@pytest.mark.parametrize(("name", "size"), [("aime25", 30), ("hmmt25", 30), ("supergpqa", 600)])
async def test_the_gold_answers_of_the_authors_files_are_right(name: str, size: int) -> None:
    assert DATA
    questions = load_questions(name, data=Path(DATA))
    assert len(questions) == size
    assert all(q.instruction is None and "boxed" not in q.text[-60:] for q in questions)
    validation = await validate(questions)
    assert (validation.right, validation.failures, validation.unstated) == (size, (), ())


@needs_data
def test_the_authors_files_can_be_read_as_files_too() -> None:
    assert DATA
    by_file = load_questions(str(Path(DATA) / "aime25.parquet"))
    by_name = load_questions("aime25", data=Path(DATA))
    assert [q.gold for q in by_file] == [q.gold for q in by_name]
    assert all(q.instruction == "" and q.text.endswith("within \\boxed{}.") for q in by_file)


async def test_a_wrong_gold_answer_is_found(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    rows = [
        {"question": "1 + 1?", "answer": "2", "kind": "math"},
        {"question": "Which?", "answer": "everything", "kind": "choice"},
        {"question": "Who knows?"},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    validation = await validate(load_questions(str(path)))
    assert validation.right == 1
    assert [f.question.id for f in validation.failures] == ["q-2"]
    assert [q.id for q in validation.unstated] == ["q-3"]
