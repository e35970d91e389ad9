"""Files of a batch: what is no request is named with its line, and results survive whatever cut them short."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.errors import UsageError
from selfagg.server.batch import ResultsFile, read_requests

URL = "/v1/chat/completions"
GOOD = {"custom_id": "a", "method": "POST", "url": URL, "body": {"model": "m"}}
BAD = [
    ("{", "not valid JSON"),
    ('{"a": NaN}', "NaN is no JSON number"),
    ("[1]", "not a JSON object"),
    ("[" * 100_000, "nested too deeply"),
    (json.dumps({**GOOD, "custom_id": 5}), "custom_id is missing, or no text"),
    (json.dumps({**GOOD, "custom_id": ""}), "custom_id is missing, or no text"),
    (json.dumps({**GOOD, "method": "GET"}), 'method must be "POST"'),
    (json.dumps({**GOOD, "url": "/v1/embeddings"}), "url is '/v1/embeddings', but it must be one of"),
    (json.dumps({**GOOD, "url": ["x"]}), "it must be one of"),
    (json.dumps({**GOOD, "body": "text"}), "body must be a JSON object"),
    (json.dumps(GOOD), "custom_id 'a' stands in line 2 already"),
    (b"\xff\xfe", "not UTF-8 text"),
]


@pytest.mark.parametrize(("line", "said"), BAD, ids=[said[:30] for _, said in BAD])
def test_a_bad_line_is_named(line: str | bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    bad = line if isinstance(line, bytes) else line.encode()
    path.write_bytes(b"\n" + json.dumps(GOOD).encode() + b"\n" + bad + b"\n")
    with pytest.raises(UsageError) as error:
        read_requests(path)
    assert f"{path}: line 3: " in str(error.value)
    assert said in str(error.value)


def test_all_bad_lines_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text("no\n" * 8)
    with pytest.raises(UsageError, match=r"line 1: .*line 5: .*\(and 3 more\)") as error:
        read_requests(path)
    assert "line 6" not in str(error.value)


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_file_holds_no_request(content: str, tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text(content)
    with pytest.raises(UsageError, match="holds no request"):
        read_requests(path)
    with pytest.raises(UsageError, match="there is no file of requests"):
        read_requests(tmp_path / "another.jsonl")


def test_other_editors_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_bytes(
        b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n\r\n" + json.dumps({**GOOD, "custom_id": "b"}).encode()
    )
    assert [request.custom_id for request in read_requests(path)] == ["a", "b"]


@given(st.data())
def test_a_file_that_was_cut_anywhere_keeps_its_whole_lines(data: st.DataObject) -> None:
    import tempfile

    names = data.draw(st.lists(st.text(min_size=1), min_size=1, max_size=4, unique=True))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.jsonl"
        with ResultsFile(path) as file:
            for number, name in enumerate(names):
                file.add(name, f"batch_req_{number}", {"status_code": 200, "body": {"text": name}})
        content = path.read_bytes()
        end = data.draw(st.integers(0, len(content)))
        path.write_bytes(content[:end])
        whole = content[: end + 1].count(b"\n")  # a line without its end alone is whole too
        with ResultsFile(path) as file:
            assert [*file.ids] == names[:whole]
            file.add("one more", "batch_req_x", {"status_code": 200})
        lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
        assert [json.loads(line)["id"] for line in lines] == [*(f"batch_req_{i}" for i in range(whole)), "batch_req_x"]


@pytest.mark.parametrize(
    "content", ["my thesis\n", "my thesis", '{"a": 1}\n', '{"id":"batch_req_1"}\n', "\n", '{"id":"batch_req_1\n']
)
def test_a_file_of_something_else_is_left_alone(content: str, tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text(content)
    with pytest.raises(UsageError, match="line 1: no result of selfagg batch"):
        ResultsFile(path)
    assert path.read_text() == content


def test_one_process_writes_a_file(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with ResultsFile(path), pytest.raises(UsageError, match="in use by another selfagg process"):
        ResultsFile(path)
    with ResultsFile(path):
        pass
    with pytest.raises(UsageError, match="is a folder: name a file"):
        ResultsFile(tmp_path)
