from __future__ import annotations

import io
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from lamina.bot.chat.terminal import LONGEST_LINE, Terminal, clean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]52;c;ZXZpbA==\x1b\\after", "after"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq#0;1\x1b\\after", "after"),
        ("\x9b31mred", "31mred"),
        ("a\x00b\x07c\x08d\x7fe", "abcde"),
        ("over\rwritten", "overwritten"),
        ("\u202egpj.exe\u202c", "gpj.exe"),
        ("\u200fRTL\u200e", "RTL"),
        ("unpaired \ud800", "unpaired ?"),
        ("ends in \x1b", "ends in "),
        ("\x1b[999999", "999999"),
        ("line\r\nend\x0cpage", "line\nend\npage"),
        ("\u05e9\u05dc\u05d5\u05dd", "\u05e9\u05dc\u05d5\u05dd"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(given: str, shown: str) -> None:
    assert clean(given) == shown


def test_no_text_keeps_an_escape() -> None:
    for code in range(0x110):
        for text in (f"\x1b{chr(code)}x", f"\x1b[{chr(code)}x", f"\x1b]{chr(code)}x"):
            assert not any(ord(c) < 32 and c not in "\n\t" for c in clean(text))


@contextmanager
def piped(data: bytes) -> Iterator[Terminal]:
    """Give a terminal over a pipe into which *data* is written by a thread, then closed."""
    read, write = os.pipe()

    def feed() -> None:
        with os.fdopen(write, "wb") as pipe:
            pipe.write(data)

    thread = threading.Thread(target=feed)
    thread.start()
    with os.fdopen(read) as source:
        yield Terminal(source, io.StringIO())
    thread.join()


async def lines(terminal: Terminal) -> list[str]:
    found: list[str] = []
    while (line := await terminal.line("")) is not None:
        found.append(line)
    return found


@pytest.mark.realtime
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\r\n\r\nno end", ["one", "", "no end"]),
        (b"nul \x00 in\n", ["nul \x00 in"]),
        (b"caf\xe9\n", ["caf\udce9"]),
    ],
)
async def test_lines_come_from_a_pipe_to_its_end(data: bytes, expected: list[str]) -> None:
    with piped(data) as terminal:
        assert not terminal.interactive
        assert await lines(terminal) == expected


@pytest.mark.realtime
async def test_a_line_without_end_is_cut_and_the_next_is_whole() -> None:
    with piped(b"x" * (3 * LONGEST_LINE) + b"\nnext\n") as terminal:
        found = await lines(terminal)

    assert [len(line) for line in found] == [LONGEST_LINE, 4]
    assert found[1] == "next"


@pytest.mark.realtime
async def test_lines_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text("one\ntwo")

    with path.open() as source:
        assert await lines(Terminal(source, io.StringIO())) == ["one", "two"]


@pytest.mark.realtime
async def test_a_closed_input_is_an_end() -> None:
    source = io.StringIO("not a file")

    assert await lines(Terminal(source, io.StringIO())) == []


@pytest.mark.realtime
async def test_a_pipe_agrees_and_is_not_asked() -> None:
    out = io.StringIO()
    with piped(b"no\n") as terminal:
        assert await terminal.agrees("Sure?")
        assert await lines(terminal) == ["no"]
    assert out.getvalue() == ""


def test_what_is_said_is_clean() -> None:
    out = io.StringIO()

    Terminal(io.StringIO(), out).say("a\x1b[2Jb")

    assert out.getvalue() == "ab\n"
