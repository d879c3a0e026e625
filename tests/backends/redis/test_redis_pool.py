"""Connections: none is lost, none is used when it is dead, and none outlives the store."""

from __future__ import annotations

import asyncio
import random

import pytest
from redis_fakes import fake

from lamina.backends.redis import RedisKeyValue
from lamina.backends.redis.address import address
from lamina.backends.redis.links import Link, link
from lamina.backends.redis.members import Members
from lamina.backends.redis.node import Node
from lamina.backends.redis.pool import Pool
from lamina.errors import Closed, StorageError
from lamina.stack import Stack
from lamina.testing.faults import FaultProxy, RawServer
from lamina.testing.servers import Valkey

pytestmark = pytest.mark.server


def pool_of(server: RawServer, gate: asyncio.Event, *, size: int = 1) -> Pool:
    """Return a pool whose connections are made once the *gate* is open."""

    async def make() -> Link:
        made = link(address(f"redis://{server.address}", "standalone"), at(server), 1.0)
        await gate.wait()
        await made.connect()
        return made

    return Pool(make, place="here", size=size, timeout=1.0, connect_timeout=1.0)


def at(server: RawServer) -> tuple[str, int]:
    return server.host, server.port


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_connection_that_ended_while_idle_is_replaced_unnoticed(
    how: str, valkey: Valkey
) -> None:
    number = valkey.database().rpartition("/")[2]
    async with FaultProxy("127.0.0.1", valkey.port) as proxy:
        backend = RedisKeyValue(f"redis://{proxy.address}/{number}", connections=3)
        async with Stack().over(backend) as store:
            for place in range(1, 4):
                await asyncio.gather(*(store.get("a") for _ in range(3)))
                if how == "reset":
                    proxy.reset_connections()
                else:
                    with valkey.connection() as run:
                        run("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                await asyncio.sleep(0.05)
                told = await asyncio.gather(*(store.increment("n") for _ in range(3)))
                assert sorted(told) == [place * 3 - 2, place * 3 - 1, place * 3]


async def test_a_connection_made_while_the_pool_closes_is_not_used() -> None:
    async with fake(b"+OK\r\n") as server:
        gate = asyncio.Event()
        pool = pool_of(server, gate)
        taking = asyncio.ensure_future(pool.take())
        await asyncio.sleep(0)
        await pool.close()
        gate.set()

        with pytest.raises(Closed):
            await taking


async def test_who_waits_is_told_that_the_pool_closes() -> None:
    async with fake(b"+OK\r\n") as server:
        gate = asyncio.Event()
        gate.set()
        pool = pool_of(server, gate)
        taken = await pool.take()
        waiting = [asyncio.ensure_future(pool.take()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        await pool.close()
        told = await asyncio.gather(*waiting, return_exceptions=True)
        await pool.give(taken, whole=True)

        kinds = [Closed, asyncio.CancelledError, Closed]
        assert [type(one) for one in told] == kinds


@pytest.mark.parametrize("ticks", range(8))
async def test_a_place_given_to_one_who_is_cancelled_is_passed_on(ticks: int) -> None:
    async with fake(b"+OK\r\n") as server:
        gate = asyncio.Event()
        gate.set()
        pool = pool_of(server, gate)
        for whole in (True, False):
            taken = await pool.take()
            first, second = (asyncio.ensure_future(pool.take()) for _ in range(2))
            await asyncio.sleep(0)
            await pool.give(taken, whole=whole)
            for _ in range(ticks):
                await asyncio.sleep(0)
            first.cancel()
            (told,) = await asyncio.gather(first, return_exceptions=True)
            if not isinstance(told, BaseException):
                await pool.give(told, whole=True)
            await pool.give(await second, whole=True)
        await pool.close()


async def test_no_place_is_lost_among_cancellations_and_failures(valkey: Valkey) -> None:
    number = valkey.database().rpartition("/")[2]
    chance = random.Random(3)
    async with FaultProxy("127.0.0.1", valkey.port) as proxy:
        backend = RedisKeyValue(f"redis://{proxy.address}/{number}", connections=2, timeout=5)
        async with Stack().over(backend) as store:
            keys = [f"k{place}" for place in range(12)]
            await store.set_many({key: key.encode() for key in keys})
            for _ in range(60):
                if chance.random() < 0.3:
                    proxy.at_connect("reset")
                if chance.random() < 0.3:
                    proxy.after_request("close", skip=chance.randrange(6))
                calls = [asyncio.ensure_future(store.get(key)) for key in keys]
                await asyncio.sleep(chance.random() * 0.003)
                for call in chance.sample(calls, 4):
                    call.cancel()
                for key, told in zip(
                    keys, await asyncio.gather(*calls, return_exceptions=True), strict=True
                ):
                    fine = isinstance(told, StorageError | asyncio.CancelledError)
                    assert fine or told == key.encode()
            proxy.heal()
            proxy.delay(down=0.05)
            began = asyncio.get_running_loop().time()
            assert await asyncio.gather(*map(store.get, keys[:2])) == [b"k0", b"k1"]
            assert asyncio.get_running_loop().time() - began < 1


async def test_no_node_is_met_after_a_cluster_was_closed() -> None:
    async with fake(b"+OK\r\n") as server:
        gate = asyncio.Event()
        members = Members(
            [at(server)], lambda _: Node(pool_of(server, gate), timeout=1), patience=1.0
        )
        members.at(at(server))
        await members.close()

        with pytest.raises(Closed):
            members.at(at(server))
