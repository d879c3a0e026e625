"""What is missing or wrong when PostgreSQL's backends open is said so that one can act on it."""

from __future__ import annotations

import asyncio
import gc
import secrets
from contextlib import suppress
from typing import Any

import pytest
from postgres_places import EMBEDDER, SECRET, documents, schema, session, through, values, vectors

from lamina.backends.postgres import PostgresDocuments, PostgresKeyValue, PostgresVectors
from lamina.backends.postgres.schema import Tables
from lamina.domains.keyvalue import Append
from lamina.domains.store import Check
from lamina.embed import LexicalEmbedder
from lamina.errors import AuthError, Closed, Invalid, StackError, StorageError, Unavailable
from lamina.stack import Stack
from lamina.testing.faults import FaultProxy, RawServer
from lamina.testing.servers import Postgres
from lamina.testing.sweep import sweep
from lamina.values import Json, Vector

pytestmark = pytest.mark.server


def parameter(name: bytes, value: bytes) -> bytes:
    body = name + b"\0" + value + b"\0"
    return b"S" + (len(body) + 4).to_bytes(4, "big") + body


GREETING = b"".join(
    (
        b"R\0\0\0\x08\0\0\0\0",
        parameter(b"server_version", b"9.6.24"),
        parameter(b"client_encoding", b"UTF8"),
        b"K\0\0\0\x0c\0\0\0\x01\0\0\0\x02",
        b"Z\0\0\0\x05I",
    )
)


class Other(LexicalEmbedder):  # type: ignore[misc]  # final to users; here it only has another name
    name = "another"


@pytest.mark.parametrize("make", [PostgresKeyValue, PostgresDocuments, PostgresVectors])
@pytest.mark.parametrize(
    "options",
    [
        {"url": f"mysql://u:{SECRET}@h/d"},
        {"url": f"u:{SECRET}@h:port"},
        {"url": ""},
        {"url": f"postgresql://u:{SECRET}@h:99999999/d"},
        {"schema": 'x"; DROP TABLE y; --'},
        {"schema": ""},
        {"schema": "x" * 64},
        {"connections": 0},
        {"timeout": 0.0},
        {"timeout": float("inf")},
        {"connect_timeout": float("nan")},
    ],
)
def test_options_that_make_no_sense_are_refused_when_built(make: Any, options: Any) -> None:
    with pytest.raises(StackError) as caught:
        make(**{"url": "postgresql://h/d"} | options)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "options", [{"dimension": 0}, {"exact_below": 0}, {"ef_search": -1}, {"metric": "manhattan"}]
)
def test_a_vector_store_of_no_kind_is_refused_when_built(options: Any) -> None:
    with pytest.raises(StackError):
        PostgresVectors("postgresql://h/d", **options)


def test_building_connects_to_nothing() -> None:
    store = Stack().over(PostgresKeyValue("postgresql://nobody@127.0.0.1:1/x"))
    del store
    gc.collect()


@pytest.mark.parametrize("domain", [values, documents, vectors])
async def test_missing_tables_are_named_with_the_file_that_makes_them(
    domain: Any, postgres: Postgres
) -> None:
    url = postgres.database()
    postgres.run("CREATE EXTENSION vector", dsn=url)
    name = {values: "keyvalue", documents: "documents", vectors: "vectors"}[domain]
    with pytest.raises(Unavailable, match=rf"lamina_{name} is missing: run {name}.sql") as caught:
        async with domain(url, create=False, schema="nothing"):
            pass
    assert not caught.value.transient

    postgres.run(Tables(name, 1, "lamina").script.read_text(), dsn=url)
    async with domain(url, create=False, schema="lamina") as store:
        await store.check()


@pytest.mark.parametrize("domain", [values, documents, vectors])
async def test_processes_that_start_together_make_the_tables_once(
    domain: Any, postgres: Postgres
) -> None:
    url, name = postgres.database(), schema()

    async def start() -> None:
        async with domain(url, schema=name) as store:
            await store.check()

    await asyncio.gather(*(start() for _ in range(8)))


async def test_all_three_domains_live_in_one_schema(postgres: Postgres) -> None:
    url, name = postgres.database(), schema()
    async with (
        values(url, schema=name) as one,
        documents(url, schema=name) as two,
        vectors(url, schema=name) as three,
    ):
        await one.set("a", b"1")
        await two.set("a", "text")
        await three.set("a", "text")
        assert (await one.get("a"), (await two.search("text"))[0].document.id) == (b"1", "a")
        assert [hit.id for hit in await three.search("text")] == ["a"]


async def test_a_user_who_may_not_make_schemas_uses_one_that_is_there(postgres: Postgres) -> None:
    url, name = postgres.database(), schema()
    role = f"user_{secrets.token_hex(4)}"
    postgres.run(
        f"CREATE ROLE {role} LOGIN; CREATE SCHEMA {name} AUTHORIZATION {role};"
        "REVOKE CREATE ON SCHEMA public FROM public",
        dsn=url,
    )
    async with values(through(url, postgres.port, user=role), schema=name) as store:
        await store.set("a", b"1")
        assert await store.get("a") == b"1"


async def test_a_user_who_may_make_nothing_is_told_what_to_do(postgres: Postgres) -> None:
    url, name, role = postgres.database(), schema(), f"user_{secrets.token_hex(4)}"
    postgres.run(f"CREATE ROLE {role} LOGIN", dsn=url)
    mine = through(url, postgres.port, user=role)
    with pytest.raises(AuthError, match=r"have keyvalue\.sql run, and give create=false") as caught:
        async with values(mine, schema=name):
            pass
    assert caught.value.sent == "no"
    with pytest.raises(AuthError, match="an administrator run CREATE EXTENSION vector") as caught:
        async with vectors(mine, schema=name):
            pass
    assert caught.value.sent == "no"


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
async def test_a_database_that_cannot_hold_every_text_is_named(
    postgres: Postgres, encoding: str
) -> None:
    name = f"t_{secrets.token_hex(4)}"
    postgres.run(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(Unavailable, match=f"encoding is {encoding}: one of UTF8") as caught:
        async with values(postgres.dsn_of(name)):
            pass
    assert not caught.value.transient


async def test_tables_of_another_version_are_left_alone(postgres: Postgres) -> None:
    url, name = postgres.database(), schema()
    async with values(url, schema=name):
        pass
    postgres.run(f"UPDATE {name}.lamina_versions SET version = 7", dsn=url)
    with pytest.raises(Unavailable, match="keyvalue tables are of version 7, this Lamina uses 1"):
        async with values(url, schema=name):
            pass


async def test_a_server_that_is_too_old_is_named() -> None:
    async with RawServer(GREETING, split=len) as server:
        url = f"postgresql://someone@{server.address}/x?sslmode=disable"
        with pytest.raises(Unavailable, match="PostgreSQL 9 is too old: 14 or later") as caught:
            async with values(url):
                pass
    assert not caught.value.transient


async def test_a_missing_extension_is_named(postgres: Postgres) -> None:
    url = postgres.database()
    with pytest.raises(Unavailable, match="run CREATE EXTENSION vector"):
        async with vectors(url, create=False):
            pass
    name = url.rpartition("/")[2]
    postgres.run(f"ALTER DATABASE {name} SET extension_control_path = '/nowhere'", dsn=url)
    with pytest.raises(Unavailable, match="lacks the extension vector: install pgvector"):
        async with vectors(url):
            pass


async def test_an_extension_that_is_too_old_is_named(postgres: Postgres) -> None:
    url = postgres.database()
    postgres.run(
        "CREATE EXTENSION vector;"
        "UPDATE pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'",
        dsn=url,
    )
    with pytest.raises(Unavailable, match=r"pgvector 0.7.4 is too old: 0.8 or later"):
        async with vectors(url):
            pass


async def test_an_extension_in_a_schema_of_its_own_is_found(postgres: Postgres) -> None:
    url = postgres.database()
    postgres.run('CREATE SCHEMA "Ext"; CREATE EXTENSION vector SCHEMA "Ext"', dsn=url)
    async with vectors(url, exact_below=1) as store:
        await store.set("a", "some text")
        assert [hit.id for hit in await store.search("some text", top_k=1)] == ["a"]
        assert (await store.get("a")) is not None


async def test_vectors_of_another_kind_are_left_alone(postgres: Postgres) -> None:
    url, name = postgres.database(), schema()
    async with vectors(url, schema=name, dimension=2, metric="dot") as store:
        with pytest.raises(Invalid, match="vectors here have 2 numbers, got 3"):
            await store.set("a", Vector.of([1.0, 2.0, 3.0]))
        await store.set("a", Vector.of([1.0, 2.0]))
    with pytest.raises(Unavailable, match="for the metric dot, not cosine"):
        async with vectors(url, schema=name):
            pass
    with pytest.raises(Unavailable, match="have 2 numbers, not 8"):
        async with vectors(url, schema=name, metric="dot", dimension=8):
            pass


async def test_texts_stay_with_their_embedder(postgres: Postgres) -> None:
    url, name = postgres.database(), schema()
    async with vectors(url, schema=name) as store:
        await store.set("a", "some text")
    async with vectors(url, schema=name, embedder=Other()) as store:
        with pytest.raises(Invalid, match="embedded by lexical-256, not by another"):
            await store.set("b", "more text")
        with pytest.raises(Invalid, match="embedded by lexical-256"):
            await store.search("some text")
        await store.set("b", EMBEDDER.embed(["more text"])[0])


@pytest.mark.parametrize("option", ["nonsense=1", "work_mem=lots"])
async def test_an_option_that_the_server_does_not_know_is_told(
    postgres: Postgres, option: str
) -> None:
    with pytest.raises(Unavailable, match="the URL holds an option") as caught:
        async with values(f"{postgres.dsn}?{option}"):
            pass
    assert not caught.value.transient


async def test_a_failed_opening_leaves_nothing_behind(postgres: Postgres) -> None:
    url = postgres.database()
    for _ in range(3):
        with suppress(StorageError):
            async with values(url, create=False):
                pass
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    async with session(url) as admin:
        assert await admin.fetchval(f"{count} AND pid <> pg_backend_pid()") == 0


def test_opening_may_be_cancelled_anywhere(postgres: Postgres) -> None:
    url = postgres.database()

    async def scenario() -> None:
        async with vectors(url, dimension=3) as store:
            await store.check()

    assert sweep(scenario).points >= 3


async def test_a_closed_backend_takes_no_calls(postgres: Postgres) -> None:
    backend = PostgresKeyValue(postgres.database(), schema=schema())
    await backend.open()
    await backend.close()
    with pytest.raises(Closed):
        await backend.check(Check())
    with pytest.raises(Closed):
        await backend.append(Append("a", (Json.of(1),)))
    await backend.close()


async def test_the_first_of_several_hosts_that_answers_is_used(postgres: Postgres) -> None:
    async with FaultProxy("127.0.0.1", 1) as proxy:
        proxy.refuse()
        database = postgres.database().rpartition("/")[2]
        hosts = f"{proxy.address},127.0.0.1:{postgres.port}"
        async with values(f"postgresql://postgres@{hosts}/{database}") as store:
            await store.check()
