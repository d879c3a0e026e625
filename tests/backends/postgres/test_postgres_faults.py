"""Calls fail within their time, say the truth about it, and the next one works."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from postgres_places import documents, locked, schema, session, through, until, values, vectors

from lamina.backends.postgres import PostgresKeyValue, connections
from lamina.backends.postgres.keyvalue_sql import Statements
from lamina.backends.postgres.schema import statements
from lamina.domains.documents import Write
from lamina.domains.keyvalue import Append, GetStamped, GetStampedMany
from lamina.errors import BatchFailed, TimedOut, Unavailable
from lamina.stack import Stack
from lamina.testing.clock import run
from lamina.testing.faults import FaultProxy
from lamina.testing.servers import Postgres
from lamina.testing.sweep import sweep
from lamina.values import Failed, Json, Stamped

pytestmark = pytest.mark.server
HELD = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lamina'"
BUSY = f"{HELD} AND datname = current_database() AND state = 'active'"


@pytest.fixture(scope="module")
def victim() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


async def test_a_server_killed_in_a_call_is_used_again_once_it_is_back(victim: Postgres) -> None:
    url, name = victim.database(), schema()
    async with values(url, schema=name, timeout=5.0) as store:
        await store.set("a", b"1")
        async with locked(url, f"{name}.lamina_keyvalue"):
            calls = [asyncio.ensure_future(store.get("a")) for _ in range(3)]
            async with session(url) as admin, until() as more:
                while await admin.fetchval(BUSY) < 3:
                    more()
            started = monotonic()
            await asyncio.to_thread(victim.kill)
            told = await asyncio.gather(*calls, return_exceptions=True)
            assert all(type(one) is Unavailable for one in told), told
            with pytest.raises(Unavailable, match="cannot connect") as caught:
                await store.get("a")
            assert monotonic() - started < 8
        assert caught.value.sent == "no"
        assert caught.value.backend == "postgres"
        assert str(caught.value.brief) == "keyvalue.Get('a')"
        await asyncio.to_thread(victim.restart)

        assert await store.get("a") == b"1"


@pytest.mark.parametrize("frozen", [False, True])
async def test_a_restart_between_two_calls_fails_neither(victim: Postgres, *, frozen: bool) -> None:
    async with values(victim.database()) as store:
        await asyncio.gather(*(store.set(f"k{place}", b"1") for place in range(5)))
        if frozen:
            victim.restart()  # the loop sees nothing of it
        else:
            await asyncio.to_thread(victim.restart)

        assert await store.get("k1") == b"1"
        await asyncio.gather(*(store.set(f"k{place}", b"2") for place in range(5)))


async def test_a_paused_server_is_given_up_in_time_and_used_again(victim: Postgres) -> None:
    async with values(victim.database(), timeout=1.0) as store, documents(victim.dsn) as other:
        await store.set("a", b"1")
        victim.pause()
        try:
            started = monotonic()
            calls = (store.get("a"), store.set("a", b"2"), store.append("l", 1))
            told = await asyncio.gather(*calls, return_exceptions=True)
            assert monotonic() - started < 4
        finally:
            victim.resume()
        assert all(isinstance(one, TimedOut | Unavailable) for one in told), told
        async with until() as more:
            while True:
                more()
                try:
                    assert await store.get("a") in {b"1", b"2"}
                except Unavailable:
                    continue
                break
        await other.check()


async def test_a_transaction_that_is_cut_has_written_nothing_and_says_so(
    postgres: Postgres,
) -> None:
    url = postgres.database()
    async with (
        FaultProxy("127.0.0.1", postgres.port) as proxy,
        values(through(url, proxy.port)) as store,
    ):
        await store.append("a", 1)
        for statement in range(3):  # begin, read, write
            for fault in (proxy.before_request, proxy.after_request):
                await store.append("other", 1)  # on a new connection, which prepares anew
                fault("reset", skip=statement)
                with pytest.raises(Unavailable) as caught:
                    await store.append("a", 2)
                assert caught.value.sent == "no"
        assert json.loads(await store.get("a") or b"") == [1]
        await store.append("other", 1)
        proxy.after_request("reset", skip=3)  # commit
        with pytest.raises(Unavailable) as caught:
            await store.append("a", 2)
        assert caught.value.sent == "maybe"
        assert json.loads(await store.get("a") or b"") == [1, 2]


async def test_a_doubtful_append_is_carried_out_once_under_its_key(postgres: Postgres) -> None:
    async with (
        FaultProxy("127.0.0.1", postgres.port) as proxy,
        values(through(postgres.database(), proxy.port)) as store,
    ):
        await store.append("a", 1, idempotency="first")
        proxy.after_request("reset", skip=5)  # begin, lock, token, write, token, commit
        with pytest.raises(Unavailable):
            await store.append("a", 2, idempotency="once")
        assert await store.append("a", 2, idempotency="once") == 2
        assert json.loads(await store.get("a") or b"") == [1, 2]


@pytest.mark.parametrize("ask", [GetStamped("a"), GetStampedMany(("a",))], ids=["one", "many"])
async def test_a_late_answer_lets_no_value_live_longer(ask: Any, postgres: Postgres) -> None:
    async with (
        FaultProxy("127.0.0.1", postgres.port) as proxy,
        values(through(postgres.database(), proxy.port)) as store,
    ):
        await store.set("a", b"1", ttl=100)
        ends = store.bound.runtime.wall() + 100
        await store.bound.send(ask)  # prepares it
        proxy.delay(down=0.2)
        told = await store.bound.send(ask)
        proxy.delay()
    stamp = told if isinstance(told, Stamped) else told[0].value
    assert ends - 1 <= stamp.expires_at <= ends


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_half_an_answer_is_an_error(postgres: Postgres, how: Any) -> None:
    async with (
        FaultProxy("127.0.0.1", postgres.port) as proxy,
        values(through(postgres.database(), proxy.port)) as store,
    ):
        await store.set("a", b"x" * 100_000)
        await store.get("a")
        proxy.in_answer(how, after=50_000)
        with pytest.raises(Unavailable, match="the connection was lost"):
            await store.get("a")
        assert len(await store.get("a") or b"") == 100_000


async def test_rt9_one_call_is_one_request(postgres: Postgres) -> None:
    async with (
        FaultProxy("127.0.0.1", postgres.port) as proxy,
        values(through(postgres.database(), proxy.port)) as store,
    ):
        await store.set("a", b"1")
        await store.get("a")
        for fault in (None, proxy.before_request, proxy.after_request):
            before = proxy.requests
            if fault is None:
                await store.get("a")
            else:
                fault("reset")
                with pytest.raises(Unavailable):
                    await store.get("a")
            assert proxy.requests - before == 1
            await store.get("a")  # connects anew, prepares
            await store.get("a")


async def test_an_answer_that_is_late_is_not_taken_for_another(postgres: Postgres) -> None:
    async with (
        FaultProxy("127.0.0.1", postgres.port) as proxy,
        values(through(postgres.database(), proxy.port), timeout=1.0) as store,
    ):
        await store.set_many({"a": b"a", "b": b"b"})
        await store.get("a")
        proxy.delay(down=1.5)
        with pytest.raises(TimedOut):
            await store.get("a")
        proxy.delay()
        assert await store.get("b") == b"b"


async def test_cancelled_calls_mix_up_no_answers(postgres: Postgres) -> None:
    async with values(postgres.database(), connections=3, timeout=5.0) as store:
        await store.set_many({f"k{place}": str(place).encode() for place in range(20)})
        for turn in range(60):
            calls = [asyncio.ensure_future(store.get(f"k{place}")) for place in range(8)]
            for _ in range(turn % 6):
                await asyncio.sleep(0)
            calls[turn % 8].cancel()
            told = await asyncio.gather(*calls, return_exceptions=True)
            for place, one in enumerate(told):
                assert one == str(place).encode() or isinstance(one, asyncio.CancelledError)
            assert sum(isinstance(one, BaseException) for one in told) <= 1


async def test_a_cancelled_call_leaves_at_once_and_its_statement_is_stopped(
    postgres: Postgres,
) -> None:
    url, name = postgres.database(), schema()
    async with values(url, schema=name, connections=2, timeout=20.0) as store:
        async with locked(url, f"{name}.lamina_keyvalue"), session(url) as admin:
            for call in (store.set("a", b"1"), store.append("b", 1)):
                task = asyncio.ensure_future(call)
                async with until() as more:
                    while await admin.fetchval(f"{BUSY} AND wait_event_type = 'Lock'") == 0:
                        more()
                started = monotonic()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert monotonic() - started < 2
                async with until() as more:
                    while await admin.fetchval(BUSY) > 0:
                        more()
        assert await store.get("a") is None
        assert await store.append("b", 2) == 1


async def test_no_more_connections_are_held_than_allowed(postgres: Postgres) -> None:
    url = postgres.database()
    async with values(url, connections=4, timeout=5.0) as store, session(url) as admin:
        await asyncio.gather(*(store.set(f"k{place}", b"1") for place in range(200)))
        assert await admin.fetchval(f"{HELD} AND datname = current_database()") == 4


async def test_closing_ends_every_connection(postgres: Postgres) -> None:
    url = postgres.database()
    async with session(url) as admin:
        async with values(url, timeout=5.0) as store:
            await asyncio.gather(*(store.set(f"k{place}", b"1") for place in range(50)))
        async with until() as more:
            while await admin.fetchval(f"{HELD} AND datname = current_database()") > 0:
                more()


async def test_a_call_in_flight_ends_when_the_backend_is_closed_under_it(
    postgres: Postgres,
) -> None:
    url, name = postgres.database(), schema()
    backend = PostgresKeyValue(url, schema=name)
    store = Stack().over(backend)
    await store.open()
    async with locked(url, f"{name}.lamina_keyvalue"):
        call = asyncio.ensure_future(store.set("a", b"1"))
        await asyncio.sleep(0.05)
        await backend.close()
        with pytest.raises(Unavailable):
            await call
    await store.close()


async def test_the_servers_clock_alone_decides_what_has_expired(postgres: Postgres) -> None:
    url, name = postgres.database(), schema()
    async with values(url, schema=name) as store:
        await store.set("a", b"1", ttl=100)
        wall = store.bound.runtime.wall
        store.bound.runtime.wall = lambda: wall() + 1e6  # this process's clock jumps
        assert await store.get("a") == b"1"
        stamped = await store.bound.send(GetStamped("a"))
        assert stamped.expires_at == pytest.approx(wall() + 1e6 + 100, abs=1)
        postgres.run(
            f"CREATE OR REPLACE FUNCTION {name}.lamina_now() RETURNS double precision LANGUAGE sql "
            "AS $$ SELECT extract(epoch FROM clock_timestamp())::double precision + 200 $$",
            dsn=url,
        )
        assert await store.get("a") is None


async def test_writers_delete_what_has_expired(postgres: Postgres) -> None:
    url, name = postgres.database(), schema()
    async with values(url, schema=name) as store, session(url) as admin:
        await store.set_many({f"old{place}": b"1" for place in range(3000)}, ttl=0.001)
        await store.bound.send(Append("l", (Json.of(1),), idempotency="once"))
        await admin.execute(f"UPDATE {name}.lamina_appends SET expires_at = 0")
        await store.set_many({f"new{place}": b"1" for place in range(600)})
        async with until() as more:
            while await admin.fetchval(f"SELECT count(*) FROM {name}.lamina_keyvalue") > 601:
                more()
            while await admin.fetchval(f"SELECT count(*) FROM {name}.lamina_appends") > 0:
                more()


async def test_looking_for_what_has_expired_reads_nothing_else(postgres: Postgres) -> None:
    url, name = postgres.database(), schema()
    async with values(url, schema=name) as store, session(url, "SET enable_seqscan = off") as admin:
        await store.set("a", b"1", ttl=100)
        sql = statements(Statements, name)
        for query in (sql.purge, sql.purge_appends):
            plan = await admin.fetch(f"EXPLAIN {query.replace('$1', '1000')}")
            assert "Index Cond: (expires_at <=" in str(plan)


async def test_a_connection_that_was_idle_for_long_is_not_used_again(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.database()
    query = HELD.replace("count(*)", "pid") + " AND datname = current_database()"
    async with values(url, connections=1) as store, session(url) as admin:
        await store.set("a", b"1")
        first = await admin.fetchval(query)
        monkeypatch.setattr(connections, "_STALE", 0.0)
        assert await store.get("a") == b"1"
        assert await admin.fetchval(query) == first
        monkeypatch.setattr(connections, "_OLD", 0.0)
        async with until() as more:
            while await admin.fetchval(query) in {None, first}:
                more()
                assert await store.get("a") == b"1"


async def test_a_batch_that_is_cut_in_the_middle_tells_what_was_written(
    postgres: Postgres,
) -> None:
    url, name = postgres.database(), schema()
    large = {f"k{place}": bytes([place]) * 4_500_000 for place in range(8)}
    async with (
        values(url, schema=name, timeout=10.0) as store,
        session(
            url,
            f"ALTER TABLE {name}.lamina_keyvalue ADD CONSTRAINT odd CHECK (key NOT IN ('k2'))",
        ),
    ):
        with pytest.raises(BatchFailed) as caught:
            await store.set_many(large)
        told = caught.value.outcomes
        assert [isinstance(one, Failed) for one in told] == [False] * 2 + [True] * 6
        assert {one.error.sent for one in told if isinstance(one, Failed)} == {"no"}
        assert [one is not None for one in await store.get_many(list(large))] == [
            *(True, True),
            *(False,) * 6,
        ]


async def test_a_batch_tells_what_was_not_tried(victim: Postgres) -> None:
    url, name = victim.database(), schema()
    async with documents(url, schema=name, timeout=2.0) as store:
        items = [Write(f"d{place}", "some text") for place in range(1500)]
        async with locked(url, f"{name}.lamina_documents"):
            with pytest.raises(BatchFailed) as caught:
                await store.set_many(items)
        assert caught.value.transient
        assert len(caught.value.outcomes) == 1500
        errors = [one.error for one in caught.value.outcomes if isinstance(one, Failed)]
        assert len(errors) == 1500
        assert {error.sent for error in errors} == {"no"}
        assert sum("not tried" in str(error) for error in errors) == 1000
        await store.set_many(items)
        assert len(await store.search("text", limit=2000)) == 1500


async def test_a_pooler_in_transaction_mode_is_asked_nothing_that_outlives_one(
    postgres: Postgres,
) -> None:
    url, name = postgres.database(), schema()
    async with (
        values(url, schema=name, pooler=True) as one,
        documents(url, schema=name, pooler=True) as two,
        vectors(url, schema=name, pooler=True, exact_below=1) as three,
        session(url) as admin,
    ):
        await one.set("a", b"1")
        assert await one.append("l", 1) == 1
        await two.set_many([Write("a", "text"), Write("b", "text", path="/p")])
        await three.set("a", "some text")
        assert [hit.id for hit in await three.search("some text", top_k=1)] == ["a"]
        assert await admin.fetchval(f"{BUSY} OR state LIKE 'idle in transaction%'") == 0


def test_what_takes_several_steps_may_be_cancelled_at_each(postgres: Postgres) -> None:
    url, name = postgres.database(), schema()
    done: list[int] = []

    async def scenario() -> None:
        async with values(url, schema=name) as store:
            await store.append("l", [len(done)], idempotency=f"once {len(done)}")
            await store.set_many({"a": b"1", "b": b"2"})
            await store.increment("n")
        done.append(1)

    async def afterwards() -> None:
        async with values(url, schema=name) as store, session(url) as admin:
            items = [item for (item,) in json.loads(await store.get("l") or b"")]
            assert sorted(set(items)) == items  # each once, whichever tries were cut short
            assert await store.append("l", [0], idempotency="once 0") == 1
            assert await admin.fetchval(f"SELECT count(*) FROM {name}.lamina_keyvalue") == 4

    sweep(scenario)
    run(afterwards())
