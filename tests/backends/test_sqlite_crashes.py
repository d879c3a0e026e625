"""Processes that die, or that share a file."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from writer import content

from lamina.backends.sqlite import SqliteDocuments, SqliteKeyValue
from lamina.stack import Stack

WRITER = Path(__file__).with_name("writer.py")
ROUNDS = 100


def start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, WRITER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def lines_until_killed(
    forks: subprocess.Popen[bytes], path: Path, most: int, seconds: float
) -> list[str]:
    """Start a writer; after *most* lines and then *seconds* kill it; return all it acknowledged."""
    assert forks.stdin is not None
    assert forks.stdout is not None
    forks.stdin.write(f"{path}\n".encode())
    forks.stdin.flush()
    lines: list[bytes] = []
    pid = 0
    while not pid or len(lines) < most:
        line = forks.stdout.readline()
        assert line not in {b"", b"dead\n"}
        if line.startswith(b"pid"):
            pid = int(line.split()[1])
        else:
            lines.append(line)
    threading.Event().wait(seconds)
    os.kill(pid, signal.SIGKILL)
    while lines[-1:] != [b"dead\n"]:
        lines.append(forks.stdout.readline())
    return [line.decode() for line in lines[:-1]]


async def reopen(path: Path) -> None:
    async with Stack().over(SqliteKeyValue(path)) as values:
        await values.check()
    async with Stack().over(SqliteDocuments(path)) as documents:
        await documents.check()


def check_rows(path: Path, told: list[str]) -> None:
    """Look at the file as it is after the crash: nothing is missing, nothing is half there."""
    with closing(sqlite3.connect(path)) as rows:
        assert rows.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows.execute(
            "INSERT INTO documents_words (documents_words, rank) VALUES ('integrity-check', 1)"
        )
        rows.rollback()
        values = dict(rows.execute("SELECT key, value FROM keyvalue"))
        document = rows.execute("SELECT content, metadata, path, version FROM documents").fetchone()
    appended = [int(line.split()[1]) for line in told if line.startswith("append")]
    written = [int(line.split()[1]) for line in told if line.startswith("write")]
    stored = json.loads(values.pop("list", b"[]"))
    assert {line.split()[1] for line in told if line.startswith("set")} <= values.keys()
    assert all(value == content(name).encode() for name, value in values.items())
    assert stored == list(range(len(stored)))
    assert len(stored) >= len(appended)
    if document is not None:
        name = json.loads(document[1])["name"]
        assert document == (content(name), f'{{"name":"{name}"}}', name, int(name[2:]) + 1)
    assert (document[3] if document else 0) >= len(written)


@pytest.mark.slow
def test_kill_at_random_moments_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    rng = random.Random(2)
    acknowledged = 0
    with start() as forks:
        for round_ in range(ROUNDS):
            path = tmp_path / f"{round_}.db"
            opening = round_ % 4 == 0  # killed on the way to its first write, or soon after
            most, seconds = (0, 0.04) if opening else (rng.randint(1, 30), 0.004)
            told = lines_until_killed(forks, path, most, rng.uniform(0.0, seconds))
            asyncio.run(reopen(path))
            check_rows(path, told)
            acknowledged += len(told)
            for file in tmp_path.iterdir():
                file.unlink()
        forks.communicate()

    assert acknowledged > ROUNDS


def test_two_processes_lose_and_double_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "data.db")
    with start(path, "a", "40") as first, start(path, "b", "40") as second:
        processes = [first, second]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        told = [process.communicate(b"go\n", timeout=60)[0] for process in processes]

    assert [process.returncode for process in processes] == [0, 0]
    with closing(sqlite3.connect(path)) as rows:
        values = dict(rows.execute("SELECT key, value FROM keyvalue"))
    stored = json.loads(values["list"])
    assert values["count"] == b"80"
    assert sorted(stored) == sorted(f"{name}{n}" for name in "ab" for n in range(40))
    assert [item for item in stored if item[0] == "a"] == [f"a{n}" for n in range(40)]
    assert all(text.count(b"append") == 40 for text in told)
