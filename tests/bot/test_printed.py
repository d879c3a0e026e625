"""What is printed can be used: tables of declarations, and SQL that makes the tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lamina.backends.postgres import PostgresDocuments, PostgresKeyValue, PostgresVectors
from lamina.cli import main
from lamina.config.registry import BACKENDS
from lamina.errors import StorageError
from lamina.stack import Stack

if TYPE_CHECKING:
    from lamina.testing.servers import Postgres


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(argv) == 0
    return capsys.readouterr().out


def test_tells_of_every_backend(capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(printed(capsys, "backends", "--json"))

    assert {(one["domain"], one["name"]) for one in told} == {
        (domain, name) for domain, rows in BACKENDS.items() for name in rows
    }
    memory = next(one for one in told if one["kind"] == "MemoryMedia")
    assert memory["refuses"] == ["Sign"]
    assert "conditional" in memory["serves"]["Put"]
    for one in told:
        assert f"`{one['kind']}`" in printed(capsys, "backends")


def test_tells_what_failures_become(capsys: pytest.CaptureFixture[str]) -> None:
    told = printed(capsys, "backends", "--failures")

    for package in ("postgres", "redis", "s3", "supabase", "upstash"):
        assert f"## {package}\n" in told
    assert "| no bucket | `Invalid` | no | no | there is no such bucket |" in told


@pytest.mark.server
async def test_the_sql_makes_the_tables_of_postgres(
    capsys: pytest.CaptureFixture[str], postgres: Postgres
) -> None:
    url = postgres.database()
    with pytest.raises(StorageError, match="lamina_keyvalue"):
        async with Stack().over(PostgresKeyValue(url, create=False)):
            pass
    for _ in range(2):
        postgres.run(printed(capsys, "sql", "postgres"), dsn=url)

    for kind in (PostgresKeyValue, PostgresDocuments, PostgresVectors):
        async with Stack().over(kind(url, create=False)) as store:
            await store.check()


def test_another_schema_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert '"tenants".lamina_documents' in printed(capsys, "sql", "supabase", "--schema", "tenants")
    assert '"tenants".lamina_keyvalue' in printed(capsys, "sql", "postgres", "--schema", "tenants")
    assert main(["sql", "supabase", "--schema", "x;y"]) == 1
    assert "schema must be" in capsys.readouterr().err
