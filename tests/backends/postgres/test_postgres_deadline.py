"""PostgreSQL stops what nobody waits for any more."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from postgres_places import locked, schema, session, until

import lamina
from lamina.backends.postgres import PostgresKeyValue
from lamina.errors import DeadlineExceeded, TimedOut
from lamina.layers.deadline import Deadline
from lamina.layers.timeout import Timeout
from lamina.stack import Stack

if TYPE_CHECKING:
    from lamina.layer import Layer
    from lamina.testing.servers import Postgres

pytestmark = pytest.mark.server

BUSY = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE application_name = 'lamina' AND state = 'active' AND datname = current_database()"
)


@pytest.mark.parametrize("pooler", [False, True])
async def test_dl3_the_server_itself_ends_a_transaction_soon_after_the_deadline(
    postgres: Postgres, *, pooler: bool
) -> None:
    url, name = postgres.database(), schema()
    backend = PostgresKeyValue(url, schema=name, timeout=30.0, pooler=pooler)
    async with Stack().over(backend) as store:  # nothing on our side ends it
        async with locked(url, f"{name}.lamina_keyvalue"):
            started = monotonic()
            async with lamina.call(deadline=0.3):
                with pytest.raises(TimedOut) as caught:
                    await store.append("a", 1)
            assert 0.3 <= monotonic() - started < 10
            assert caught.value.sent == "no"
        async with lamina.call(deadline=20.0):
            assert await store.append("a", 1) == 1
        assert await store.append("a", 1) == 2


@pytest.mark.parametrize("layers", [[Deadline(0.3)], [Deadline(0.3), Timeout(0.2)]])
async def test_dl3_the_server_is_told_to_stop_what_the_deadline_ended(
    postgres: Postgres, layers: list[Layer]
) -> None:
    url, name = postgres.database(), schema()
    store = Stack(*layers).over(PostgresKeyValue(url, schema=name, timeout=30.0))
    async with store, session(url) as admin:
        async with locked(url, f"{name}.lamina_keyvalue"):
            for call in (store.set("a", b"1"), store.append("b", 1), store.get("a")):
                with pytest.raises((DeadlineExceeded, TimedOut)):
                    await call
            async with until() as more:
                while await admin.fetchval(BUSY) > 0:
                    more()
                    await asyncio.sleep(0)
        assert await store.get("a") is None
