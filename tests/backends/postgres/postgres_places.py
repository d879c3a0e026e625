"""Stores on real PostgreSQL, and sessions beside them that get in their way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg

from lamina.backends.postgres import PostgresDocuments, PostgresKeyValue, PostgresVectors
from lamina.domains.documents import Documents
from lamina.domains.keyvalue import KeyValue
from lamina.domains.vectors import Vectors
from lamina.embed import LexicalEmbedder
from lamina.stack import Stack

SECRET: Final = "sesame-street"
EMBEDDER: Final = LexicalEmbedder()
WAITING: Final = (
    "SELECT pid FROM pg_stat_activity "
    "WHERE wait_event_type = 'Lock' AND datname = current_database()"
)
_NUMBERS: Final = count()


def schema() -> str:
    """Return the name of a schema that is not there yet."""
    return f"place_{next(_NUMBERS)}"


def through(url: str, port: int, *, user: str | None = None, database: str | None = None) -> str:
    """Return the URL with another port, user or database."""
    parts = urlsplit(url)
    path = parts.path if database is None else f"/{database}"
    named = parts.username if user is None else user
    return f"postgresql://{named}@127.0.0.1:{port}{path}"


@asynccontextmanager
async def values(url: str, **options: Any) -> AsyncIterator[KeyValue]:
    limits: dict[str, Any] = {"timeout": 5.0, "connect_timeout": 5.0, "schema": schema()} | options
    async with Stack().over(PostgresKeyValue(url, **limits)) as store:
        yield store


@asynccontextmanager
async def documents(url: str, **options: Any) -> AsyncIterator[Documents]:
    limits: dict[str, Any] = {"timeout": 5.0, "connect_timeout": 5.0, "schema": schema()} | options
    async with Stack().over(PostgresDocuments(url, **limits)) as store:
        yield store


@asynccontextmanager
async def vectors(url: str, **options: Any) -> AsyncIterator[Vectors]:
    limits: dict[str, Any] = {
        "timeout": 5.0,
        "connect_timeout": 5.0,
        "schema": schema(),
        "embedder": EMBEDDER,
    }
    async with Stack().over(PostgresVectors(url, **limits | options)) as store:
        yield store


@asynccontextmanager
async def session(url: str, *before: str) -> AsyncIterator[asyncpg.Connection]:
    """Give a session of its own, in which *before* was run."""
    connection: asyncpg.Connection = await asyncpg.connect(url, timeout=5, command_timeout=10)
    try:
        for statement in before:
            await connection.execute(statement)
        yield connection
    finally:
        await connection.close(timeout=2)


@asynccontextmanager
async def locked(url: str, table: str) -> AsyncIterator[asyncpg.Connection]:
    """Hold a lock that everybody else waits for."""
    async with session(url, "BEGIN", f"LOCK TABLE {table}") as connection:
        yield connection


@asynccontextmanager
async def until(seconds: float = 5.0) -> AsyncIterator[Callable[[], None]]:
    """Give what each turn of a loop calls: it fails once the time is over."""
    ends = monotonic() + seconds

    def more() -> None:
        assert monotonic() < ends, f"not within {seconds:g} s"

    yield more
