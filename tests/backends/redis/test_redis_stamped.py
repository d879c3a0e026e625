"""Many values are told with the time each has left, in one exchange that nobody comes between."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
import redis.asyncio
from redis_fakes import bulk, fake

from lamina.backends.redis import RedisKeyValue
from lamina.domains.keyvalue import GetStamped, GetStampedMany, KeyValue
from lamina.errors import AuthError, Corrupt, Invalid, Unavailable
from lamina.stack import Stack
from lamina.testing.faults import FaultProxy
from lamina.testing.servers import Valkey
from lamina.values import Done, Failed, Outcome, Stamped

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

pytestmark = pytest.mark.server
SECRET: Final = "sesame-street"


@asynccontextmanager
async def both(url: str) -> AsyncGenerator[tuple[KeyValue, Any]]:
    async with (
        Stack().over(RedisKeyValue(url)) as store,
        redis.asyncio.Redis.from_url(url) as other,
    ):
        yield store, other


async def read(store: KeyValue, *keys: str) -> tuple[Outcome[Stamped[bytes | None]], ...]:
    return await store.bound.send(GetStampedMany(keys))


async def read_from(answers: dict[bytes, bytes]) -> None:
    """Read two keys from a server that answers each command so."""
    async with (
        fake(lambda asked: answers[asked[0]]) as server,
        Stack().over(RedisKeyValue(f"redis://{server.address}")) as store,
    ):
        await read(store, "a", "b")


ANSWERS: Final[dict[bytes, bytes]] = {
    b"MULTI": b"+OK\r\n",
    b"MGET": b"+QUEUED\r\n",
    b"EVAL": b"+QUEUED\r\n",
    b"EXEC": b"*2\r\n*2\r\n$1\r\nx\r\n$-1\r\n" + bulk(b"-1 -2"),
}


async def test_many_values_and_times_are_one_exchange() -> None:
    with Valkey() as server:
        async with both(server.url) as (store, other):
            await store.set_many({"a": b"1", "b": b"2"}, ttl=100)
            await store.set("c", b"3")
            await other.config_resetstat()
            told = await read(store, "a", "none", "c", "b", "a")
            stats = await other.info("commandstats")
    wall = store.bound.runtime.wall()
    stamps = [one.value for one in told if isinstance(one, Done)]
    assert [stamp.value for stamp in stamps] == [b"1", None, b"3", b"2", b"1"]
    assert [stamp.expires_at is None for stamp in stamps] == [False, True, True, False, False]
    assert all(abs((stamp.expires_at or wall + 100) - wall - 100) < 0.5 for stamp in stamps)
    counts = {name.removeprefix("cmdstat_"): told["calls"] for name, told in stats.items()}
    assert counts == {"multi": 1, "mget": 1, "eval": 1, "pttl": 5, "exec": 1} | (
        {"config|resetstat": 1} if "config|resetstat" in counts else {}
    )


async def test_no_value_is_told_with_the_time_of_another(valkey: Valkey) -> None:
    async with both(valkey.database()) as (store, other):
        keys = [f"k{place}" for place in range(50)]

        seen: set[tuple[bytes | None, bool]] = set()
        done = asyncio.Event()

        async def write() -> None:
            while not done.is_set():
                for key in keys:
                    await other.execute_command("SET", key, "short", "PX", 100_000)
                    await other.execute_command("SET", key, "long")

        async def look() -> None:
            try:
                for _ in range(200):
                    told = await read(store, *keys)
                    stamps = [one.value for one in told if isinstance(one, Done)]
                    seen.update((stamp.value, stamp.expires_at is None) for stamp in stamps)
            finally:
                done.set()

        await asyncio.gather(write(), look())
    assert seen <= {(None, True), (b"short", False), (b"long", True)}
    assert len(seen) >= 2


@pytest.mark.parametrize("ask", [GetStamped("a"), GetStampedMany(("a",))], ids=["one", "many"])
async def test_a_late_answer_lets_no_value_live_longer(ask: Any, valkey: Valkey) -> None:
    database = valkey.database().rpartition("/")[2]
    async with (
        FaultProxy("127.0.0.1", valkey.port) as proxy,
        Stack().over(RedisKeyValue(f"redis://{proxy.address}/{database}")) as store,
    ):
        await store.set("a", b"1", ttl=100)
        ends = store.bound.runtime.wall() + 100
        proxy.delay(down=0.2)
        told = await store.bound.send(ask)
    stamp = told if isinstance(told, Stamped) else told[0].value
    assert ends - 1 <= stamp.expires_at <= ends + 0.002  # the server counts milliseconds


async def test_a_key_of_another_kind_fails_alone(valkey: Valkey) -> None:
    async with both(valkey.database()) as (store, other):
        await other.hset("a hash", "field", "1")
        await other.rpush("a list", "1")
        await other.expire("a list", 100)
        await store.set("a", b"1")
        told = await read(store, "a hash", "a", "none", "a list")
    assert told[1:3] == (Done(Stamped(b"1")), Done(Stamped(None)))
    for one in (told[0], told[3]):
        assert isinstance(one, Failed)
        assert isinstance(one.error, Invalid)


async def test_keys_that_a_user_may_not_read_fail_alone() -> None:
    with Valkey() as server:
        with server.connection() as run:
            run("ACL", "SETUSER", "bot", "on", f">{SECRET}", "~mine:*", "+@all")
            run("SET", "mine:1", "1")
        url = f"redis://bot:{SECRET}@127.0.0.1:{server.port}"
        async with Stack().over(RedisKeyValue(url)) as store:
            told = await read(store, "mine:1", "yours", "mine:2")
    assert (told[0], told[2]) == (Done(Stamped(b"1")), Done(Stamped(None)))
    assert isinstance(told[1], Failed)
    assert isinstance(told[1].error, AuthError)


async def test_a_user_without_transactions_reads_key_by_key() -> None:
    with Valkey() as server:
        with server.connection() as run:
            rights = ["+@read", "+@write", "+@scripting", "+@connection"]
            run("ACL", "SETUSER", "bot", "on", f">{SECRET}", "~*", *rights)
            run("SET", "a", "1")
        url = f"redis://bot:{SECRET}@127.0.0.1:{server.port}"
        async with Stack().over(RedisKeyValue(url)) as store:
            assert await read(store, "a", "b") == (Done(Stamped(b"1")), Done(Stamped(None)))


async def test_what_the_server_tells_is_read() -> None:
    await read_from(ANSWERS)


@pytest.mark.parametrize(
    "answer",
    [
        b"$-1\r\n",
        b":1\r\n",
        b"*1\r\n*0\r\n",
        b"*2\r\n*1\r\n$1\r\nx\r\n" + bulk(b"-1 -1"),
        b"*2\r\n*2\r\n$1\r\nx\r\n:7\r\n" + bulk(b"-1 -1"),
        b"*2\r\n$1\r\nx\r\n" + bulk(b"-1 -1"),
        b"*2\r\n*2\r\n$1\r\nx\r\n$1\r\ny\r\n" + bulk(b"-1"),
        b"*2\r\n*2\r\n$1\r\nx\r\n$1\r\ny\r\n" + bulk(b"-1 soon"),
        b"*2\r\n*2\r\n$1\r\nx\r\n$1\r\ny\r\n" + bulk(b"-1 nan"),
        b"*2\r\n*2\r\n$1\r\nx\r\n$1\r\ny\r\n" + bulk(b"-1 1e400"),
        b"*2\r\n*2\r\n$1\r\nx\r\n$1\r\ny\r\n:5\r\n",
    ],
    ids=range(11),
)
async def test_an_answer_of_another_shape_is_corrupt(answer: bytes) -> None:
    with pytest.raises(Corrupt):
        await read_from(ANSWERS | {b"EXEC": answer})


async def test_a_transaction_that_is_given_up_says_why() -> None:
    refused = b"-MASTERDOWN Link with MASTER is down\r\n"
    given_up = b"-EXECABORT Transaction discarded because of previous errors.\r\n"
    with pytest.raises(Unavailable, match="replica has lost its master"):
        await read_from(ANSWERS | {b"MGET": refused, b"EXEC": given_up})
