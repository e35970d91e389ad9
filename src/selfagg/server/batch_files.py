"""The files of a batch, in OpenAI's format: one request a line in, one result a line out."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from selfagg._internal.files import claim, kind_of, readable
from selfagg.errors import UsageError
from selfagg.server.errors import as_json

RESULT: Final = "batch_req_"
"""The beginning of a result's id; the digest of its request follows."""

_BEGINNING: Final = f'{{"id":"{RESULT}'.encode()
_MOST_TOLD: Final = 5


@dataclass(frozen=True)
class BatchRequest:
    """One request of a batch.

    Attributes:
        custom_id: The name that the user gave it.
        url: The route, as ``/v1/chat/completions``.
        body: The request's body.
    """

    custom_id: str
    url: str
    body: Mapping[str, Any]


def read_requests(path: Path, urls: Collection[str]) -> list[BatchRequest]:
    """Return the requests of a file; empty lines are skipped.

    Args:
        path: The file.
        urls: The routes that there are.

    Raises:
        UsageError: The file cannot be read or holds no request, or lines are no requests: they are named.
    """
    lines: dict[str, int] = {}
    requests, faults = [], []
    with readable(path, "the file of requests").open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.removeprefix(b"\xef\xbb\xbf").strip():
                continue
            try:
                request = _request(line, urls)
                if (first := lines.setdefault(request.custom_id, number)) != number:
                    raise ValueError(f"custom_id {request.custom_id[:100]!r} stands in line {first} already")
                requests.append(request)
            except ValueError as fault:
                faults.append(f"line {number}: {fault}")
    if faults:
        more = f" (and {len(faults) - _MOST_TOLD} more)" if len(faults) > _MOST_TOLD else ""
        raise UsageError(f"{path}: {'; '.join(faults[:_MOST_TOLD])}{more}")
    if not requests:
        raise UsageError(f"{path} holds no request")
    return requests


def _request(line: bytes, urls: Collection[str]) -> BatchRequest:
    """Return the request of a line; raise ValueError that says what is wrong with it."""
    told = _json(line)
    name, url, body = told.get("custom_id"), told.get("url"), told.get("body")
    if not isinstance(name, str) or not name:
        raise ValueError("custom_id is missing, or no text")
    if told.get("method") != "POST":
        raise ValueError('method must be "POST"')
    if not isinstance(url, str) or url not in urls:
        raise ValueError(f"url is {str(url)[:100]!r}, but it must be one of {', '.join(urls)}")
    if not isinstance(body, dict):
        raise ValueError("body must be a JSON object")
    return BatchRequest(name, url, body)


def _json(line: bytes) -> dict[str, Any]:
    """Return a line's JSON object; raise ValueError if it is none."""
    try:
        told = json.loads(line.decode("utf-8-sig"), parse_constant=_no_number)
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON ({error.msg}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if not isinstance(told, dict):
        raise ValueError("not a JSON object")
    return told


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON number")


class ResultsFile:
    """A file of results, to which this process alone adds lines.

    A line that was cut short, by a kill or a full disk, is taken away.

    Args:
        path: The file; made if it is not there.

    Attributes:
        ids: The results in it: custom_id -> id.

    Raises:
        UsageError: The file cannot be written, another process writes it, or it holds something else than results.
    """

    def __init__(self, path: Path) -> None:
        if kind := kind_of(path):
            raise UsageError(f"{path} is {kind}: name a file to write")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.fdopen(claim(path), "r+b")
        except BlockingIOError:
            raise UsageError(f"{path} is in use by another selfagg process") from None
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror or error}") from None
        self.path = path
        try:
            self.ids = dict(self._read())
        except BaseException:
            self._file.close()
            raise

    def _read(self) -> Iterator[tuple[str, str]]:
        end, last = 0, b"\n"
        for number, line in enumerate(self._file, 1):
            try:
                told = _json(line) if line[: len(_BEGINNING)] == _BEGINNING[: len(line)] else {"no": "result"}
                yield told["custom_id"], told["id"]
            except (ValueError, KeyError) as fault:
                if isinstance(fault, ValueError) and not line.endswith(b"\n"):
                    break  # cut short
                raise UsageError(f"{self.path}, line {number}: no result of selfagg batch; name another file") from None
            end, last = end + len(line), line
        self._cut(end)
        if not last.endswith(b"\n"):
            self._file.write(b"\n")

    def _cut(self, end: int) -> None:
        self._file.seek(end)
        self._file.truncate()

    def clear(self) -> None:
        """Forget all results."""
        self._cut(0)
        self.ids.clear()

    def add(self, custom_id: str, key: str, response: Mapping[str, Any]) -> None:
        """Write one result; the system has it when this returns."""
        self._file.write(as_json({"id": key, "custom_id": custom_id, "response": response, "error": None}) + b"\n")
        self._file.flush()
        self.ids[custom_id] = key

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
