"""Each way in which PostgreSQL fails becomes the error that the table says."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest
from asyncpg.exceptions import PostgresError
from postgres_places import (
    SECRET,
    WAITING,
    documents,
    locked,
    schema,
    session,
    through,
    until,
    values,
)

from lamina.backends.postgres.failures import FAILURES, failed
from lamina.domains.documents import Write
from lamina.errors import StorageError, Unavailable
from lamina.testing.faults import FaultProxy, RawServer
from lamina.testing.servers import Postgres

pytestmark = pytest.mark.server
Scenario = Callable[[Postgres], Awaitable[object]]
SCENARIOS: Final[dict[str, Scenario]] = {}


def row(name: str) -> Callable[[Scenario], Scenario]:
    def note(scenario: Scenario) -> Scenario:
        SCENARIOS[name] = scenario
        return scenario

    return note


@row("not connected")
async def nobody_listens(server: Postgres) -> None:
    async with FaultProxy("127.0.0.1", 1) as proxy:
        proxy.refuse()
        async with values(f"postgresql://someone:{SECRET}@{proxy.address}/x"):
            pass


@row("connect timeout")
async def nobody_greets(server: Postgres) -> None:
    async with FaultProxy("127.0.0.1", 1) as proxy:
        proxy.blackhole()
        url = f"postgresql://someone:{SECRET}@{proxy.address}/x"
        async with values(url, connect_timeout=0.2):
            pass


@row("no tls")
async def the_server_has_no_certificate(server: Postgres) -> None:
    async with values(f"{server.database()}?sslmode=require"):
        pass


@row("no postgres")
async def the_server_wants_another_way_to_log_in(server: Postgres) -> None:
    async with (
        RawServer(b"R\0\0\0\x08\0\0\0\x63", split=len) as other,
        values(f"postgresql://someone:{SECRET}@{other.address}/x?sslmode=disable"),
    ):
        pass


@row("bad url")
async def the_url_has_an_unknown_way_of_tls(server: Postgres) -> None:
    async with values(f"{server.dsn}?sslmode=perhaps"):
        pass


@row("pool timeout")
async def all_connections_are_taken(server: Postgres) -> None:
    url, name = server.database(), schema()
    async with (
        values(url, connections=1, schema=name, timeout=1.0) as store,
        locked(url, f"{name}.lamina_keyvalue"),
    ):
        first = asyncio.ensure_future(store.set("a", b"1"))
        await asyncio.sleep(0)
        told = await asyncio.gather(first, store.get("b"), return_exceptions=True)
        assert isinstance(told[0], StorageError)
        assert isinstance(told[1], StorageError)
        raise told[1]


@row("no answer")
async def it_is_locked(server: Postgres) -> None:
    url, name = server.database(), schema()
    async with (
        values(url, schema=name, timeout=1.0) as store,
        locked(url, f"{name}.lamina_keyvalue"),
    ):
        await store.set("a", b"1")


@row("cut off")
async def the_connection_is_reset(server: Postgres) -> None:
    url = server.database()
    async with (
        FaultProxy("127.0.0.1", server.port) as proxy,
        values(through(url, proxy.port)) as store,
    ):
        await store.get("a")
        proxy.after_request("reset")
        await store.get("a")


@row("pooled")
async def the_session_is_another_ones(server: Postgres) -> None:
    await _raised(server, "26000")  # what a statement gets that was prepared elsewhere


@row("starting")
async def the_server_is_shutting_down(server: Postgres) -> None:
    with Postgres() as other:
        async with session(other.dsn):
            os.kill(other.pid, signal.SIGTERM)  # waits for its sessions, takes no new ones
            async with until() as more:
                while True:
                    more()
                    async with values(other.dsn):
                        pass


@row("ended")
async def an_administrator_ends_the_session(server: Postgres) -> None:
    await _meanwhile(server, "SELECT pg_terminate_backend($1)")


@row("stopped")
async def an_administrator_cancels_the_statement(server: Postgres) -> None:
    await _meanwhile(server, "SELECT pg_cancel_backend($1)")


@row("crowded")
async def the_role_has_too_many_connections(server: Postgres) -> None:
    url = server.database()
    role = f"few_{secrets.token_hex(4)}"
    async with (
        session(url, f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 0"),
        values(through(url, server.port, user=role)),
    ):
        pass


@row("disk full")
async def the_disk_is_full(server: Postgres) -> None:
    full = Path("/dev/full")  # a file on a full disk, wherever there is one
    if not full.exists():
        await _raised(server, "53100")
    with Postgres() as other:
        name = schema()
        async with values(other.dsn, schema=name), session(other.dsn) as admin:
            query = f"SELECT pg_relation_filepath('{name}.lamina_keyvalue')"
            path = other.data / await admin.fetchval(query)
        kept = path.rename(path.with_suffix(".kept"))
        path.symlink_to(full)
        async with values(other.dsn, schema=name) as store:
            with pytest.raises(StorageError) as caught:
                await store.set("a", b"1")
        path.unlink()
        kept.rename(path)
        async with values(other.dsn, schema=name) as store:
            assert await store.get("a") is None
            await store.set("a", b"1")
        raise caught.value


@row("scarce")
async def a_search_needs_more_room_than_it_may_use(server: Postgres) -> None:
    url = server.database()
    async with (
        session(
            url,
            f"ALTER DATABASE {url.rpartition('/')[2]} SET temp_file_limit = '64kB'",
            f"ALTER DATABASE {url.rpartition('/')[2]} SET work_mem = '64kB'",
        ),
        documents(url) as store,
    ):
        await store.set_many([Write(str(place), secrets.token_hex(600)) for place in range(300)])
        await store.search("", order="path", limit=300)


@row("locked")
async def it_may_not_wait_for_a_lock(server: Postgres) -> None:
    url, name = server.database(), schema()
    async with (
        session(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET lock_timeout = '20ms'"),
        values(url, schema=name) as store,
        locked(url, f"{name}.lamina_keyvalue"),
    ):
        await store.set("a", b"1")


@row("deadlock")
async def two_writers_wait_for_each_other(server: Postgres) -> None:
    url, name = server.database(), schema()
    slow = "SET deadlock_timeout = '20s'"
    async with (
        session(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET deadlock_timeout = '1s'"),
        values(url, schema=name, timeout=5.0) as store,
        session(url, slow, "BEGIN") as other,
        session(url) as watcher,
    ):
        await store.set_many({"a": b"1", "b": b"1"})
        update = f"UPDATE {name}.lamina_keyvalue SET value = '2' WHERE key = $1"
        await other.execute(update, "b")
        ours = asyncio.ensure_future(store.set_many({"a": b"3", "b": b"3"}))
        async with until() as more:
            while await watcher.fetchval(WAITING) is None:
                more()
        theirs = asyncio.ensure_future(other.execute(update, "a"))
        await asyncio.gather(ours, theirs, return_exceptions=True)
        await ours


@row("raced")
async def another_transaction_came_between(server: Postgres) -> None:
    await _raised(server, "40001")


@row("read only")
async def the_database_only_reads(server: Postgres) -> None:
    url, name = server.database(), schema()
    async with values(url, schema=name):
        pass
    only = "SET default_transaction_read_only = on"
    async with (
        session(url, f"ALTER DATABASE {url.rpartition('/')[2]} {only}"),
        values(url, schema=name) as store,
    ):
        assert await store.get("a") is None
        await store.set("a", b"1")


@row("another kind")
async def the_only_server_is_no_standby(server: Postgres) -> None:
    async with values(f"{server.database()}?target_session_attrs=standby"):
        pass


@row("unauthorized")
async def the_password_is_wrong(server: Postgres) -> None:
    with Postgres() as other:
        guard = other.data / "pg_hba.conf"
        kept = guard.read_text()
        guard.write_text(f"host all guarded 127.0.0.1/32 scram-sha-256\n{kept}")
        async with session(
            other.dsn,
            "CREATE ROLE guarded LOGIN PASSWORD 'the right one'",
            "SELECT pg_reload_conf()",
        ):
            url = f"postgresql://guarded:{SECRET}@127.0.0.1:{other.port}/postgres"
            async with until() as more:  # the new rules hold a moment later
                while True:
                    more()
                    async with values(url, create=False):
                        pass


@row("forbidden")
async def the_role_has_no_rights(server: Postgres) -> None:
    url, name = server.database(), schema()
    role = f"low_{secrets.token_hex(4)}"
    async with values(url, schema=name), session(url, f"CREATE ROLE {role} LOGIN"):
        pass
    async with values(through(url, server.port, user=role), schema=name) as store:
        await store.get("a")


@row("no database")
async def the_database_is_not_there(server: Postgres) -> None:
    async with values(through(server.dsn, server.port, database="nowhere")):
        pass


@row("no tables")
async def somebody_dropped_the_tables(server: Postgres) -> None:
    url, name = server.database(), schema()
    async with values(url, schema=name) as store, session(url, f"DROP SCHEMA {name} CASCADE"):
        await store.get("a")


@row("conflict")
async def another_document_has_the_path(server: Postgres) -> None:
    async with documents(server.database()) as store:
        await store.set("a", "text", path="/p")
        await store.set("b", "text", path="/p")


@row("refused")
async def a_constraint_of_the_user_refuses_it(server: Postgres) -> None:
    url, name = server.database(), schema()
    async with (
        values(url, schema=name) as store,
        session(url, f"ALTER TABLE {name}.lamina_keyvalue ADD CHECK (length(value) < 5)"),
    ):
        await store.set("a", b"too long")


@row("too large")
async def an_index_of_the_user_cannot_hold_it(server: Postgres) -> None:
    url, name = server.database(), schema()
    async with (
        documents(url, schema=name) as store,
        session(url, f"CREATE INDEX ON {name}.lamina_documents (content)"),
    ):
        await store.set("a", secrets.token_hex(20_000))


@row("damaged")
async def a_page_is_damaged(server: Postgres) -> None:
    with Postgres() as other:
        name = schema()
        async with values(other.dsn, schema=name) as store:
            await store.set("a", b"1")
            async with session(other.dsn, "CHECKPOINT") as admin:
                query = f"SELECT pg_relation_filepath('{name}.lamina_keyvalue')"
                path = other.data / await admin.fetchval(query)
        other.kill()
        with path.open("r+b") as file:
            file.seek(100)
            file.write(bytes(range(256)) * 8)
        other.restart()
        async with values(other.dsn, schema=name) as store:
            await store.get("a")


@row("failed")
async def a_trigger_of_the_user_fails(server: Postgres) -> None:
    await _raised(server, "P0001")


async def _raised(server: Postgres, code: str) -> None:
    """Let the server itself raise *code* on each write."""
    url, name = server.database(), schema()
    async with (
        values(url, schema=name) as store,
        session(
            url,
            f"CREATE FUNCTION {name}.fail() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{SECRET}' USING ERRCODE = '{code}'; END $$",
            f"CREATE TRIGGER fail BEFORE INSERT ON {name}.lamina_keyvalue "
            f"FOR EACH ROW EXECUTE FUNCTION {name}.fail()",
        ),
    ):
        await store.set("a", b"1")


async def _meanwhile(server: Postgres, statement: str) -> None:
    """Do something to the session of a call that waits for a lock."""
    url, name = server.database(), schema()
    async with (
        values(url, schema=name, timeout=5.0) as store,
        locked(url, f"{name}.lamina_keyvalue"),
        session(url) as admin,
    ):
        call = asyncio.ensure_future(store.set("a", b"1"))
        async with until() as more:
            while (found := await admin.fetchval(WAITING)) is None:
                more()
        await admin.fetchval(statement, found)
        await call


@pytest.mark.parametrize("name", FAILURES)
async def test_becomes_what_the_table_says(name: str, postgres: Postgres) -> None:
    wanted = FAILURES[name].error()
    with pytest.raises(StorageError) as caught:
        await SCENARIOS[name](postgres)

    told = caught.value
    assert str(wanted).removeprefix("postgres ") in str(told)
    assert type(told) is type(wanted)
    assert told.transient == wanted.transient
    assert told.sent in {wanted.sent, "no"}
    assert SECRET not in f"{told!s} {told!r} {told.__notes__ if hasattr(told, '__notes__') else ''}"
    if name in {"not connected", "connect timeout", "no postgres", "unauthorized"}:
        assert SECRET not in "".join(traceback.format_exception(told))


def told_by_pgbouncer(message: str) -> bytes:
    """Return what PgBouncer says before it hangs up; it has one code for nearly everything."""
    fields = f"SFATAL\0VFATAL\0C08P01\0M{message}\0\0".encode()
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


@pytest.mark.parametrize(
    ("message", "wanted", "transient"),
    [
        ("unsupported startup parameter: statement_timeout", "open with pooler=true", False),
        ("server login has been failing, try again later", "cannot connect", True),
    ],
)
async def test_a_pooler_is_understood(message: str, wanted: str, transient: bool) -> None:
    async with RawServer(told_by_pgbouncer(message), split=len) as pooler:
        with pytest.raises(Unavailable, match=wanted) as caught:
            async with values(f"postgresql://someone@{pooler.address}/x?sslmode=disable"):
                pass
    assert (caught.value.transient, caught.value.sent) == (transient, "no")


async def test_a_server_that_has_no_process_left_may_have_one_later() -> None:
    answer = b"Ecould not fork new process for connection\n\0"  # before TLS is spoken of
    async with RawServer(answer, split=len) as server:
        with pytest.raises(Unavailable, match="cannot connect") as caught:
            async with values(f"postgresql://someone@{server.address}/x"):
                pass
    assert (caught.value.transient, caught.value.sent) == (True, "no")


def test_what_a_server_or_pooler_says_in_a_call_may_have_been_done() -> None:
    for code in ("08P01", "XX000", "25P04"):
        fields = {"S": "FATAL", "V": "FATAL", "C": code, "M": "query_wait_timeout"}
        told = failed(PostgresError.new(fields))
        assert (type(told), told.transient, told.sent) == (Unavailable, True, "maybe")


def test_every_row_is_produced() -> None:
    assert set(SCENARIOS) == set(FAILURES)
