"""Storage's tables as one caller sees them, and its files."""

# ruff: noqa: EM101, TRY003  # what is refused, is refused in the words of the real one

from __future__ import annotations

import contextlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from lamina.testing.servers.supabase.access import BadToken, Caller, caller
from lamina.testing.servers.supabase.connections import Down, TooBusy
from lamina.testing.servers.supabase.shapes import object_of
from lamina.testing.servers.supabase.storage import problems

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from aiohttp import web

    from lamina.testing.servers.supabase.options import Options
    from lamina.testing.servers.supabase.projects import Project

TIME: Final = "to_char({0} AT TIME ZONE 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"


@dataclass(frozen=True, slots=True)
class Place:
    """What one call works on."""

    project: Project
    options: Options
    request: web.Request
    path: tuple[str, ...]

    def key(self, begin: int) -> str:
        """Return the name of an object from the path."""
        return "/".join(self.path[begin:])

    def who(self) -> Caller:
        """Return who calls.

        Raises:
            Problem: Nobody told, or the token is not accepted.
        """
        headers = self.request.headers
        if "Authorization" not in headers and "apikey" not in headers:
            raise problems.invalid("headers must have required property 'authorization'")
        try:
            return caller(headers, self.options.jwt_secret, bare=True)
        except BadToken as error:
            raise problems.denied(plain(error)) from error

    @contextlib.asynccontextmanager
    async def transaction(
        self, who: Caller | None = None, *, undo: bool = False
    ) -> AsyncGenerator[asyncpg.Connection[Any]]:
        """Work as a caller, or as Storage itself; *undo* only tries whether it would do.

        Raises:
            Problem: The database refuses, or cannot be reached.
        """
        with telling():
            async with self.project.connections.one() as connection:
                started = connection.bare.transaction()
                await started.start()
                try:
                    if who is not None:
                        told = (who.role, who.told(), self.request.method, "", "{}", "storage")
                        await connection.become(*told)
                    yield connection.bare
                except Exception:
                    if not connection.bare.is_closed():
                        await started.rollback()
                    raise
                await (started.rollback() if undo else started.commit())

    async def bucket(self, name: str) -> asyncpg.Record:
        """Return a bucket, whoever asks."""
        async with self.transaction() as connection:
            query = "SELECT * FROM storage.buckets WHERE id = $1"
            found: asyncpg.Record | None = await connection.fetchrow(query, name)
        if found is None:
            raise problems.no_bucket()
        return found

    def file(self, version: str) -> Path:
        """Return where the bytes of one version of an object are."""
        return self.project.folder / version[:2] / version

    def new_file(self) -> tuple[str, Path]:
        """Return a version of its own, and where its bytes go."""
        version = secrets.token_hex(16)
        file = self.file(version)
        file.parent.mkdir(exist_ok=True)
        return version, file

    async def json(self) -> dict[str, Any]:
        """Return the body, a JSON object."""
        try:
            told: object = json.loads(await self.request.text() or "{}")
        except (ValueError, LookupError, RecursionError) as error:
            raise problems.invalid("Body is not valid JSON") from error
        found = object_of(told)
        if not found and told != {}:
            raise problems.invalid("body must be object")
        return found


@contextlib.contextmanager
def telling() -> Generator[None]:
    """Turn what the database refuses into problems."""
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as error:
        raise problems.denied() from error
    except asyncpg.UniqueViolationError as error:
        raise problems.bucket_exists() from error
    except asyncpg.ForeignKeyViolationError as error:
        message = "The related resource does not exist"
        raise problems.Problem(404, "InvalidRequest", message) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, Down, TooBusy) as error:
        raise problems.internal() from error


def plain(error: BadToken) -> str:
    """Return what Storage says of a token, where PostgREST says *error*."""
    told = str(error)
    return {"JWT expired": "jwt expired", "JWSError JWSInvalidSignature": "invalid signature"}.get(
        told, "jwt malformed"
    )
