from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selfagg.errors import UsageError
from selfagg.html_report import build
from selfagg.html_report.build import build_report, pieces
from selfagg.record.record import Record
from selfagg.types import Question


def texts_in(path: Path) -> list[str]:
    return re.findall(r'id="(texts-\d+-\d+)">', path.read_text())


def test_one_file_with_all_questions_of_all_records(
    rsa: Path, run_of: Callable[..., Path], sums: list[Question], tmp_path: Path
) -> None:
    out = tmp_path / "new" / "report.html"
    build_report([rsa, run_of("single", "simulated:", sums)], out)
    assert texts_in(out) == [f"texts-{record}-{position}" for record in (0, 1) for position in range(6)]
    assert "<h1>sums with a simulated model" in out.read_text()
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]


def test_processes_write_the_same_page(rsa: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = []
    for alone in (build.ALONE, 0):
        monkeypatch.setattr(build, "ALONE", alone)
        build_report([rsa], tmp_path / "report.html")
        pages.append(re.sub(r"<footer>.*</footer>", "", (tmp_path / "report.html").read_text(), flags=re.DOTALL))
    assert pages[0] == pages[1]


def test_an_unfinished_run_has_a_report(rsa: Path, sums: list[Question], tmp_path: Path) -> None:
    begun = tmp_path / "begun.sqlite"
    with Record(rsa, read_only=True) as whole, Record(begun) as record:
        record.begin(whole.configuration, sums)
    build_report([begun], tmp_path / "report.html")
    assert len(texts_in(tmp_path / "report.html")) == 6


@pytest.mark.parametrize("problem", ["none", "missing", "empty", "unwritable"])
def test_what_cannot_work_is_said_in_a_sentence(problem: str, rsa: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    match problem:
        case "none":
            records: list[Path] = []
        case "missing":
            records = [tmp_path / "missing.sqlite"]
        case "empty":
            Record(tmp_path / "empty.sqlite").close()
            records = [tmp_path / "empty.sqlite"]
        case _:
            records, out = [rsa], rsa / "report.html"
    with pytest.raises(UsageError):
        build_report(records, out)
    assert not out.exists()


def page(title: str = "Title", data: Any = None) -> str:
    return "".join(pieces(title, "made", data, [("texts-0-0", "QUJD")]))


def test_the_policy_allows_exactly_the_pages_own_script_and_style() -> None:
    text = page()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    said = policy[1].replace("&#x27;", "'")
    assert said.startswith("default-src 'none';")
    assert "unsafe" not in said
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (body,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in said


def test_nothing_is_fetched() -> None:
    assert not re.search(r'\b(?:src|href)="(?!#)', page())
    assert not re.search(r"url\(|@import", page())


def test_values_cannot_leave_their_place() -> None:
    hostile = "</script></title>{{script}}<b>\u2028"
    text = page(hostile, {"a": hostile})
    assert "<b>" not in text
    assert text.count("{{script}}") == 3  # as text: twice the title, once the data
    (data,) = re.findall(r'id="data">(.*?)</script>', text)
    assert json.loads(data) == {"a": hostile}
