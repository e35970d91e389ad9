"""Records by the names of their files and folders."""

from __future__ import annotations

from pathlib import Path

import pytest

import selfagg
from selfagg.evaluation.record_files import is_record, records_of


def test_records_of_a_folder_come_by_name_and_rsa_first(tmp_path: Path) -> None:
    names = ["rsa-n4.sqlite", "best-of-n.sqlite", "majority.sqlite"]
    for name in (*names, "notes.txt"):
        (tmp_path / name).touch()
    assert records_of(tmp_path) == [tmp_path / name for name in names]
    assert records_of([tmp_path / "majority.sqlite", tmp_path]) == [tmp_path / "majority.sqlite", *records_of(tmp_path)]


def test_what_looks_like_a_record(two_records: Path, tmp_path: Path) -> None:
    copied = tmp_path / "without-ending"
    copied.write_bytes((two_records / "rsa-.sqlite").read_bytes())
    questions, other = tmp_path / "questions.jsonl", tmp_path / "other"
    questions.write_text("{}")
    other.write_text("something else")
    looks = {path: is_record(path) for path in (two_records, copied, questions, other, tmp_path, tmp_path / "none")}
    assert looks == {two_records: True, copied: True, questions: False, other: False, tmp_path: False,
                     tmp_path / "none": False}  # fmt: skip
    assert is_record(tmp_path / "to-come.sqlite")


def test_a_folder_stands_for_its_records(folder: Path) -> None:
    assert [entry.method for entry in selfagg.compare(folder).entries] == ["rsa", "majority"]
    assert selfagg.report(folder, folder / "report.html").read_text().startswith("<!")


def test_what_is_no_record_is_told(tmp_path: Path) -> None:
    for work in (selfagg.analyze, selfagg.replay, selfagg.compare):
        with pytest.raises(selfagg.UsageError, match="there is no record"):
            work(tmp_path / "none.sqlite")
    with pytest.raises(selfagg.UsageError, match="holds no record"):
        selfagg.compare(tmp_path)
