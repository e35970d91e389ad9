"""A file is there whole or not at all."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from selfagg._internal.files import claim, kind_of, readable, whole, write_whole
from selfagg.errors import UsageError


def test_what_is_written_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text("old")
    with whole(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    write_whole(path, "é\n")
    assert path.read_bytes() == b"\xc3\xa9\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text("old")

    def broken() -> None:
        with whole(path) as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_take_the_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folder" / "within").mkdir(parents=True)
    with pytest.raises(UsageError, match="is a folder: name a file to write"):
        write_whole(tmp_path / "folder", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_link_stays_a_link_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "target.html", tmp_path / "link.html"
    link.symlink_to(target)
    for text in ("first", "second"):
        write_whole(link, text)
        assert link.is_symlink()
        assert target.read_text() == text
    assert {path.name for path in tmp_path.rglob("*")} == {"far", "target.html", "link.html"}
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(OSError, match="symbolic links"):
        write_whole(tmp_path / "circle", "text")
    assert (tmp_path / "circle").is_symlink()


def test_what_is_no_file_is_neither_replaced_nor_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        (tmp_path / "null").symlink_to("/dev/null")
        for name, kind in (("pipe", "a pipe"), ("socket", "a socket"), ("null", "a device"), (".", "a folder")):
            with pytest.raises(UsageError, match=f"is {kind}: name a file to write"):
                write_whole(tmp_path / name, "text")
            with pytest.raises(UsageError, match=f"the file of questions .* is {kind}: name a file"):
                readable(tmp_path / name, "the file of questions")
    assert kind_of(Path("/dev/null")) == "a device"


@pytest.mark.parametrize("name", ["n" * 255, "\u00e9" * 127, "n" * 250 + ".html"])
def test_names_of_any_length(tmp_path: Path, name: str) -> None:
    write_whole(tmp_path / name, "text")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with pytest.raises(OSError, match="name too long"):
        write_whole(tmp_path / (2 * name), "text")
    with pytest.raises(UsageError, match=r"cannot read record .*: File name too long"):
        readable(tmp_path / (2 * name), "record")
    with pytest.raises(UsageError, match="there is no record"):
        readable(tmp_path / "absent", "record")


def test_a_claim_ends_with_its_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "file"
    taken = claim(path)
    os.link(path, tmp_path / "other")
    with pytest.raises(BlockingIOError):
        claim(tmp_path / "other")
    os.close(taken)
    os.close(claim(tmp_path / "other"))
    assert path.read_bytes() == b""
