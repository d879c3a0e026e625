"""A process that writes to a database until it is killed, or that appends so many items.

It prints a line for each write when the write is acknowledged, never before.
"""

from __future__ import annotations

import asyncio
import os
import sys

from lamina.backends.sqlite import SqliteDocuments, SqliteKeyValue
from lamina.domains.documents import Documents
from lamina.domains.keyvalue import KeyValue
from lamina.stack import Stack

SIZES = (10, 5_000, 40_000)  # less than a page, more, and many


def told(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def content(name: str) -> str:
    return f"{name} " * (SIZES[int(name.split("x")[1]) % 3] // (len(name) + 1) + 1)


async def keep_setting(store: KeyValue, lane: int) -> None:
    for n in range(1_000_000):
        name = f"{lane}x{n}"
        await store.set(name, content(name).encode())
        told(f"set {name}")


async def keep_appending(store: KeyValue) -> None:
    for n in range(1_000_000):
        await store.append("list", n)
        told(f"append {n}")


async def keep_writing(store: Documents) -> None:
    for n in range(1_000_000):
        name = f"9x{n}"
        await store.set("document", content(name), metadata={"name": name}, path=name)
        told(f"write {n}")


async def forever(path: str) -> None:
    values, documents = Stack().over(SqliteKeyValue(path)), Stack().over(SqliteDocuments(path))
    async with values, documents, asyncio.TaskGroup() as tasks:
        tasks.create_task(keep_setting(values, 1))
        tasks.create_task(keep_setting(values, 2))
        tasks.create_task(keep_appending(values))
        tasks.create_task(keep_writing(documents))


def fork_for_each_line() -> None:
    """Start a writer for each path on stdin, tell its pid, and tell when it was killed."""
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            asyncio.run(forever(line.strip()))
        told(f"pid {pid}")
        os.waitpid(pid, 0)
        told("dead")


async def append(path: str, name: str, count: int) -> None:
    async with Stack().over(SqliteKeyValue(path, busy=30)) as store:
        told("ready")
        sys.stdin.readline()
        for n in range(count):
            await asyncio.gather(store.append("list", f"{name}{n}"), store.increment("count"))
            told(f"append {name}{n}")


if __name__ == "__main__":
    if sys.argv[1:]:
        asyncio.run(append(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    else:
        fork_for_each_line()
