"""Batch over a real Valkey: right values under load, and typed errors when the server goes."""

from __future__ import annotations

import asyncio

import pytest

from lamina.backends.redis import RedisKeyValue
from lamina.domains.keyvalue import KeyValue
from lamina.errors import StorageError, Unavailable
from lamina.layers.batch import Batch
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.stack import Stack
from lamina.testing import FaultProxy
from lamina.testing.faults import resp_command
from lamina.testing.servers import Valkey

pytestmark = pytest.mark.server


async def test_values_are_right_under_load(valkey: Valkey) -> None:
    async with Stack(Batch(), Retry(3), Timeout(5.0)).over(
        RedisKeyValue(valkey.database())
    ) as store:
        tenants = [store.scoped(name) for name in ("acme", "other")]

        async def worker(number: int) -> None:
            mine: KeyValue = tenants[number % 2]
            key = f"k{number}"
            for turn in range(20):
                value = b"%d.%d\r\n" % (number, turn)
                await mine.set(key, value)
                told = await asyncio.gather(mine.get(key), mine.get("absent"), mine.get(key))
                assert told == [value, None, value]

        await asyncio.gather(*map(worker, range(60)))

        layer = store.bound.layer(Batch)
        assert layer is not None
        told = layer.status()
        assert told.items > 10 * told.batches
        assert (told.pending, told.running) == (0, 0)


async def test_a_key_of_another_kind_fails_alone(valkey: Valkey) -> None:
    url = valkey.database()
    async with Stack(Batch()).over(RedisKeyValue(url)) as store:
        await store.set("a", b"1")
        with valkey.connection() as run:
            run("SELECT", int(url.rpartition("/")[2]))
            run("LPUSH", "list", "x")

        told = await asyncio.gather(
            *map(store.get, ("a", "a", "list", "a")), return_exceptions=True
        )

        assert [told[0], told[1], told[3]] == [b"1", b"1", b"1"]
        assert isinstance(told[2], StorageError)


async def test_a_connection_killed_in_the_middle_is_told_to_each_or_repaired(
    valkey: Valkey,
) -> None:
    url = valkey.database()
    async with Stack().over(RedisKeyValue(url)) as direct:
        await direct.set_many({f"k{n}": b"%d" % n for n in range(50)})
    right = [b"%d" % n for n in range(50)]
    for layers in ([Batch()], [Batch(), Retry(3, base=0.01)]):
        async with (
            FaultProxy("127.0.0.1", valkey.port, requests=resp_command) as proxy,
            Stack(*layers, Timeout(5.0)).over(
                RedisKeyValue(f"redis://{proxy.address}/{url.rpartition('/')[2]}")
            ) as store,
        ):
            proxy.after_request("reset", skip=1)  # the first is alone
            told = await asyncio.gather(
                *(store.get(f"k{n}") for n in range(50)), return_exceptions=True
            )
            assert proxy.struck == 1
            assert told[0] == b"0"
            if len(layers) == 2:
                assert told == right
            else:
                errors = told[1:]
                assert all(isinstance(error, Unavailable) for error in errors)
                assert len({id(error) for error in errors}) == 49
            told = await asyncio.gather(*(store.get(f"k{n}") for n in range(50)))
            assert told == right
