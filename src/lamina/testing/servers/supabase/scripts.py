"""Files of SQL that are run first, each once in a database."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    from pathlib import Path


class ScriptFailed(Exception):
    """A file cannot be read, or its SQL fails; the message tells where."""


async def run_once(connection: asyncpg.Connection[Any], file: Path) -> None:
    """Run a file, unless the same was run in this database already.

    Raises:
        ScriptFailed: Its SQL fails.
    """
    try:
        text = (await asyncio.to_thread(file.read_bytes)).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        msg = f"{file} cannot be read as UTF-8"
        raise ScriptFailed(msg) from error
    digest = hashlib.sha256(text.encode()).hexdigest()
    known = "SELECT EXISTS (SELECT FROM _supabase.scripts WHERE digest = $1)"
    if await connection.fetchval(known, digest):
        return
    try:
        await connection.execute(text)
    except asyncpg.PostgresError as error:
        msg = f"{file}{_line(text, error)}: {error}"
        raise ScriptFailed(msg) from error
    await connection.execute("INSERT INTO _supabase.scripts VALUES ($1)", digest)


def _line(text: str, error: Any) -> str:
    """Return the number of the line that an error is about, if it tells."""
    place = str(error.position or "")
    return f":{text.count(chr(10), 0, int(place) - 1) + 1}" if place.isdigit() else ""
