"""One SQLite file, used from asyncio: a thread that writes, some that read."""

from __future__ import annotations

import asyncio
import math
import os
import sqlite3
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

from lamina.backends.sqlite.connection import Schema, connect_reader, connect_writer, make_folder
from lamina.backends.sqlite.failures import mapped
from lamina.backends.sqlite.jobs import Job, commit
from lamina.errors import Closed, StackError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_TOGETHER: Final = 256  # writes in one commit, at most
_TOUCH: Final = "UPDATE lamina_schemas SET version = version WHERE name = ?"  # writes its page


@final
class Database:
    """Reads and writes one database file; what a write answers is on the disk.

    The log is written ahead (WAL) and synced at each commit (``synchronous=FULL``): neither
    ``kill -9`` nor a power failure loses what was acknowledged. Writes of this process are carried
    out one after the other; those that wait are committed together, each undone by itself if it
    fails. Reads never wait for writes and see one moment of the database. Writes of other
    processes are waited for, *busy* seconds at most (SQLite's own default: 5).

    A cancelled caller leaves at once; what its thread has begun is carried out whole or not at all.

    Raises:
        StackError: *path* is not that of a file, or a number is not above 0.
    """

    def __init__(
        self, path: str | os.PathLike[str], schema: Schema, *, readers: int = 2, busy: float = 5.0
    ) -> None:
        text = os.fspath(path)
        if not text or text == ":memory:" or "\0" in text:
            msg = f"path must be that of a file, got {text!r}; the memory backends need none"
            raise StackError(msg)
        if readers < 1 or not 0 < busy < math.inf:
            msg = f"readers and busy must be more than 0 and finite, got {readers!r} and {busy!r}"
            raise StackError(msg)
        self.path = Path(text).expanduser().absolute()
        self.schema = schema
        self.readers = readers
        self.busy = busy
        self._file: os.stat_result | None = None
        self._closed = False
        self._waiting: deque[Job[Any]] = deque()
        self._writer: sqlite3.Connection | None = None
        self._idle: deque[sqlite3.Connection] = deque()
        self._write_thread: ThreadPoolExecutor | None = None
        self._read_threads: ThreadPoolExecutor | None = None

    async def open(self) -> None:
        """Make folders, file and tables where they are missing, and connect.

        Raises:
            Unavailable: The file cannot be made or opened, or is locked for too long.
            Corrupt: The file is damaged, or no database.
            Invalid: It is another program's database, or a newer Lamina's.
        """
        if self._closed:
            msg = f"{self.path.name} is closed"
            raise Closed(msg)
        if self._write_thread is None:
            self._write_thread = ThreadPoolExecutor(1, f"write {self.path.name}")
            self._read_threads = ThreadPoolExecutor(self.readers, f"read {self.path.name}")
        await asyncio.get_running_loop().run_in_executor(self._write_thread, self._connect)

    async def close(self) -> None:
        """Wait for what has begun and close the file; the threads end."""
        self._closed = True
        thread = self._write_thread
        if thread is None:
            return
        self._write_thread = None
        ended = thread.submit(self._disconnect)  # cannot be cancelled, unlike what is awaited
        try:
            await asyncio.get_running_loop().run_in_executor(thread, _nothing)
        except asyncio.CancelledError:
            thread.shutdown(wait=False)
            raise
        thread.shutdown()
        ended.result()

    async def read(self, work: Callable[[sqlite3.Connection], T], /) -> T:
        """Return what *work* returns; all that it reads is of one moment.

        Raises:
            Closed: The database is not open.
            StorageError: What SQLite's failure means; what *work* raises comes out as it is.
        """
        self._check_open()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._read_threads, self._read, work)

    async def write(self, work: Callable[[sqlite3.Connection], T], /) -> T:
        """Return what *work* returns, once it is committed; if it raises, nothing is written.

        *work* must change nothing but the database: when the commit that it shares with others
        fails, it is run again by itself.

        Raises:
            Closed: The database is not open.
            StorageError: What SQLite's failure means; what *work* raises comes out as it is.
        """
        self._check_open()
        job = Job(work)
        self._waiting.append(job)
        try:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._write_thread, self._write_waiting)
        finally:
            job.wanted = False
        return job.answer()

    async def check(self) -> None:
        """Write, commit and read; raise if the database cannot serve.

        Raises:
            Unavailable: Among others, the file is no longer the one that was opened.
        """
        await self.write(self._touch)
        await self.read(lambda rows: rows.execute("SELECT count(*) FROM lamina_schemas").fetchone())

    def _check_open(self) -> None:
        if self._closed or self._write_thread is None:
            told = "closed" if self._closed else "not opened"
            msg = f"{self.path.name} is {told}"
            raise Closed(msg)

    def _connect(self) -> None:
        """Run in the writing thread."""
        make_folder(self.path)
        try:
            if self._writer is None:
                self._writer = connect_writer(self.path, self.schema, self.busy)
            while len(self._idle) < self.readers:
                self._idle.append(connect_reader(self.path, self.busy))
        except sqlite3.Error as error:
            raise mapped(error) from error
        self._file = self.path.stat()

    def _disconnect(self) -> None:
        """Run in the writing thread, after all writes; the writer goes last and cleans the log."""
        if self._read_threads is not None:
            self._read_threads.shutdown()
        try:
            while self._idle:
                self._idle.pop().close()
        finally:
            if self._writer is not None:
                self._writer.close()

    def _touch(self, rows: sqlite3.Connection) -> None:
        """Write, to the file that others see: a deleted one takes writes as well."""
        try:
            same = self._file is not None and os.path.samestat(self.path.stat(), self._file)
        except OSError:
            same = False
        if not same:
            msg = "the database file was deleted or replaced while it was open: restart"
            raise Unavailable(msg, transient=False, sent="no")
        rows.execute(_TOUCH, (self.schema.name,))

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run in a reading thread; there are as many as connections."""
        connection = self._idle.pop()
        try:
            connection.execute("BEGIN")
            try:
                return work(connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise mapped(error) from error
        finally:
            self._idle.append(connection)

    def _write_waiting(self) -> None:
        """Run in the writing thread: commit what waits; often an earlier run has done it all."""
        jobs: list[Job[Any]] = []
        while self._waiting and len(jobs) < _TOGETHER:
            job = self._waiting.popleft()
            if job.wanted:
                jobs.append(job)
        if jobs and self._writer is not None and not commit(self._writer, jobs):
            for job in jobs:
                commit(self._writer, [job])


def _nothing() -> None:
    pass
