from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lamina.bot.ingest.extract import Unreadable
from lamina.bot.ingest.walk import walk

if TYPE_CHECKING:
    from pathlib import Path


def test_files_come_in_order_and_hidden_ones_are_counted(tmp_path: Path) -> None:
    for name in ("b/z.md", "b/a.md", "a.md", ".git/config", "b/.hidden", "__pycache__/x.pyc"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")

    walked = walk(tmp_path)

    assert [str(path.relative_to(tmp_path)) for path in walked.files] == [
        "a.md",
        "b/a.md",
        "b/z.md",
    ]
    assert walked.hidden == 3


def test_links_that_loop_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "a/also").symlink_to(tmp_path)  # two loops: walked again and again, they never end
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "a/file.md").write_text("x")
    (tmp_path / "same.md").symlink_to(tmp_path / "a/file.md")

    walked = walk(tmp_path)

    assert [path.name for path in walked.files] == ["same.md"]
    assert walked.unreadable == []


def test_deep_folders_end(tmp_path: Path) -> None:
    path = tmp_path
    for _ in range(150):
        path /= "d"
    path.mkdir(parents=True)
    (path / "file.md").write_text("x")

    assert len(walk(tmp_path).files) == 1


def test_a_name_that_is_no_utf_8_is_found(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    with open(name, "wb") as file:  # noqa: PTH123  # bytes
        file.write(b"x")

    assert [os.fsencode(path) for path in walk(tmp_path).files] == [name]


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no such file or folder"):
        walk(tmp_path / "gone")
