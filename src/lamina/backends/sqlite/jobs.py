"""Writes that wait for the writing thread, carried out together."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Generic, TypeVar, final

from lamina.backends.sqlite.failures import mapped
from lamina.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


@final
class Job(Generic[T]):
    """One write: what is to be done, and what came of it."""

    __slots__ = ("_value", "error", "wanted", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], T]) -> None:
        self.work = work
        self.wanted = True
        self.error: Exception | None = None
        self._value: list[T] = []

    def run(self, connection: sqlite3.Connection) -> None:
        """Do the work and keep what came of it."""
        self.error = None
        self._value = []
        try:
            self._value.append(self.work(connection))
        except Exception as error:  # handed to the caller
            self.error = error

    def answer(self) -> T:
        """Return what the work returned, or raise what it raised."""
        if isinstance(self.error, sqlite3.Error):
            raise mapped(self.error) from self.error
        if self.error is not None:
            raise self.error
        return self._value[0]


def commit(connection: sqlite3.Connection, jobs: list[Job[Any]]) -> bool:
    """Carry *jobs* out in one transaction; False if it must be tried one by one."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        for job in jobs:
            connection.execute("SAVEPOINT job")
            job.run(connection)
            if not connection.in_transaction:  # SQLite undid it all: no room, a bad disk
                job.error = job.error or Unavailable("the transaction was undone", sent="no")
                return len(jobs) == 1
            if job.error is not None:
                connection.execute("ROLLBACK TO job")
            connection.execute("RELEASE job")
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if len(jobs) > 1 and not _is_busy(error):
            return False
        for job in jobs:
            job.error = error
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return True


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
