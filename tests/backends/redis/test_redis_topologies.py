"""A cluster and sentinels: a master dies, calls say so, and by themselves they work again."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator

import pytest
import redis.asyncio
from redis_fakes import fake, slots, words

from lamina.backends.redis import RedisKeyValue
from lamina.backends.redis.names import slot_of
from lamina.domains.keyvalue import KeyValue, Scan
from lamina.errors import TimedOut, Unavailable
from lamina.stack import Stack
from lamina.testing.faults import Delay, FaultProxy, Hang
from lamina.testing.servers import Cluster, Sentinel, Valkey
from lamina.testing.servers.resp import Refused
from lamina.values import Done, Failed

pytestmark = pytest.mark.server
PASSING = (Unavailable, TimedOut)
KEYS = [f"k{place}" for place in range(300)]


@pytest.fixture(scope="module")
def sentinel() -> Iterator[Sentinel]:
    with Sentinel(replicas=2) as started:  # two, for each of which a master dies
        yield started


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as started:
        yield started


def in_cluster(cluster: Cluster, timeout: float = 1.0) -> KeyValue:
    hosts = ",".join(f"127.0.0.1:{port}" for port in cluster.ports[:2])
    return Stack().over(
        RedisKeyValue(
            f"redis://{hosts}", topology="cluster", timeout=timeout, connect_timeout=timeout
        )
    )


def watched(sentinel: Sentinel, timeout: float = 1.0) -> KeyValue:
    hosts = ",".join(f"127.0.0.1:{port}" for port in sentinel.ports)
    return Stack().over(
        RedisKeyValue(
            f"redis://{hosts}",
            topology="sentinel",
            master=sentinel.name,
            timeout=timeout,
            connect_timeout=timeout,
        )
    )


class Writer:
    """Appends numbers one by one, notes those acknowledged and counts those that failed."""

    def __init__(self, store: KeyValue) -> None:
        self.acknowledged: list[int] = []
        self.failed = 0
        self._ends = False
        self._task = asyncio.ensure_future(self._write(store))

    async def stop(self) -> None:
        self._ends = True
        await self._task

    async def _write(self, store: KeyValue) -> None:
        number = 0
        while not self._ends:
            number += 1
            try:
                await store.append("list", number, idempotency=str(number))
            except PASSING:
                self.failed += 1
            else:
                self.acknowledged.append(number)
            await asyncio.sleep(0.005)


async def replicated(find: Callable[[], Valkey], copies: int = 1) -> Valkey:
    """Return that node once so many replicas of it have all that was written before."""
    async with asyncio.timeout(20):
        for number in itertools.count():
            node = find()
            try:
                with node.connection() as run:
                    run("SET", f"barrier {number}", "1")
                    if int(str(run("WAIT", copies, 50))) >= copies:
                        return node
            except (Refused, OSError):  # another node's key, a replica by now, or dead
                pass
            await asyncio.sleep(0.005)
    raise AssertionError


async def get_until_it_fails(store: KeyValue, key: str) -> None:
    while True:
        await store.get(key)


async def until_written(store: KeyValue, key: str = "list") -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await store.set(f"{{{key}}}after", b"1")
            except PASSING:
                await asyncio.sleep(0.02)
            else:
                return


async def test_a_sentinel_that_is_dead_or_hangs_is_passed_over(sentinel: Sentinel) -> None:
    async with FaultProxy("127.0.0.1", 1) as dead, FaultProxy("127.0.0.1", 1) as hanging:
        dead.refuse()
        hanging.blackhole()
        hosts = f"{dead.address},{hanging.address},127.0.0.1:{sentinel.ports[0]}"
        backend = RedisKeyValue(f"redis://{hosts}", topology="sentinel", master=sentinel.name)
        async with Stack().over(backend) as store:
            began = asyncio.get_running_loop().time()
            await asyncio.gather(*(store.set(key, b"1") for key in KEYS[:10]))
            assert asyncio.get_running_loop().time() - began < 1.2  # who answered is asked first


async def test_no_acknowledged_write_is_lost_when_sentinels_change_the_master(
    sentinel: Sentinel,
) -> None:
    async with watched(sentinel) as store:
        await store.set("before", b"1")
        writer = Writer(store)
        while len(writer.acknowledged) < 20:
            await asyncio.sleep(0.01)
        safe = list(writer.acknowledged)
        master = await replicated(sentinel.master, copies=2)  # either may be made the master
        master.kill()
        doubtful = set(writer.acknowledged) - set(safe)  # which Redis does not promise to keep
        await until_written(store)
        last = len(writer.acknowledged)
        while len(writer.acknowledged) < last + 20:
            await asyncio.sleep(0.01)
        await writer.stop()

        assert writer.failed
        stored = json.loads(await store.get("list") or b"[]")
        assert set(writer.acknowledged) - set(stored) <= doubtful
        assert len(stored) == len(set(stored))
        assert await store.get("before") == b"1"


async def test_a_paused_master_times_calls_out_until_another_is_found(sentinel: Sentinel) -> None:
    async with watched(sentinel, timeout=0.3) as store:
        await asyncio.gather(*(store.set(key, b"1") for key in KEYS[:20]))
        paused = await replicated(sentinel.master)
        paused.pause()
        try:
            with pytest.raises(PASSING):
                await store.get("k0")
            await until_written(store)  # elsewhere
        finally:
            paused.resume()
        assert await store.get("k0") == b"1"


async def test_a_replica_that_sentinels_still_call_the_master_is_not_written_to() -> None:
    with Valkey() as server:
        with server.connection() as run:
            run("REPLICAOF", "127.0.0.1", "1")
        address = b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%d\r\n" % (len(str(server.port)), server.port)
        async with fake(address, mode=b"sentinel") as told:
            url = f"redis://{told.address}"
            store = Stack().over(RedisKeyValue(url, topology="sentinel", master="mymaster"))
            with pytest.raises(Unavailable, match="another is the master") as caught:
                await store.open()
            assert caught.value.sent == "no"
            with server.connection() as run:
                run("REPLICAOF", "NO", "ONE")
            await store.open()
            await store.set("a", b"1")
            await store.close()


async def test_a_cluster_is_opened_though_one_of_its_masters_is_down() -> None:
    def answer(asked: list[bytes]) -> bytes:
        if asked[0] != b"CLUSTER":
            return b"$1\r\n1\r\n"
        return b"*2\r\n%b%b" % (slots(down, (0, 99))[4:], slots(server, (100, 16383))[4:])

    async with (
        FaultProxy("127.0.0.1", 1) as down,
        fake(answer, mode=b"cluster") as server,
    ):
        down.refuse()
        async with Stack().over(
            RedisKeyValue(f"redis://{server.address}", topology="cluster")
        ) as store:
            assert await store.get("a") == b"1"


async def test_a_cluster_is_opened_though_the_first_nodes_hang() -> None:
    def answer(asked: list[bytes]) -> bytes:
        return slots(server, (0, 16383)) if asked[0] == b"CLUSTER" else b"$1\r\n1\r\n"

    async with (
        FaultProxy("127.0.0.1", 1) as one,
        FaultProxy("127.0.0.1", 1) as two,
        fake(answer, mode=b"cluster") as server,
    ):
        one.blackhole()
        two.blackhole()
        hosts = f"{one.address},{two.address},{server.address}"
        backend = RedisKeyValue(f"redis://{hosts}", topology="cluster", connect_timeout=0.8)
        async with Stack().over(backend) as store:
            assert await store.get("a") == b"1"


async def test_calls_that_wait_for_a_cluster_that_hangs_fail_together() -> None:
    def answer(asked: list[bytes]) -> bytes:
        return slots(server, (0, 16383)) if asked[0] == b"CLUSTER" else b"$1\r\n1\r\n"

    async with fake(answer, mode=b"cluster") as server:
        backend = RedisKeyValue(f"redis://{server.address}", topology="cluster", timeout=0.3)
        async with Stack().over(backend) as store:
            server.default = Hang()
            began = asyncio.get_running_loop().time()
            for _ in range(2):  # the second time they ask who holds what
                told = await asyncio.gather(
                    *(store.get(key) for key in KEYS[:40]), return_exceptions=True
                )
                assert all(isinstance(error, PASSING) for error in told)
            assert asyncio.get_running_loop().time() - began < 2


async def test_calls_go_on_when_the_one_that_asks_for_them_is_cancelled() -> None:
    def answer(asked: list[bytes]) -> bytes:
        return slots(server, (0, 16383)) if asked[0] == b"CLUSTER" else b"$1\r\n1\r\n"

    async with fake(answer, mode=b"cluster") as server:
        backend = RedisKeyValue(f"redis://{server.address}", topology="cluster")
        async with Stack().over(backend) as store:
            server.then(b"-CLUSTERDOWN wait\r\n", Delay(0.1))
            with pytest.raises(Unavailable):
                await store.get("a")
            calls = [asyncio.ensure_future(store.get("a")) for _ in range(3)]
            await asyncio.sleep(0.02)
            calls[0].cancel()
            told = await asyncio.gather(*calls, return_exceptions=True)
            assert isinstance(told[0], asyncio.CancelledError)
            assert told[1:] == [b"1", b"1"]


async def test_a_cluster_is_read_as_another_client_wrote_it(cluster: Cluster) -> None:
    async with (
        in_cluster(cluster) as store,
        redis.asyncio.RedisCluster.from_url(cluster.url) as other,
    ):
        for key in ("plain", "{tag}a", "a}b{", "{}", "conv:42"):
            await other.set(key, json.dumps([1, 2]))
            assert await store.append(key, 3, idempotency="once") == 3
            assert await store.append(key, 3, idempotency="once") == 3
            assert await other.get(key) == b"[1,2,3]"


async def test_a_cancelled_batch_in_a_cluster_leaves_no_task(cluster: Cluster) -> None:
    async with in_cluster(cluster) as store:
        tasks = asyncio.all_tasks()
        for pause in (0, 0.0002, 0.001):
            batch = asyncio.ensure_future(store.set_many({key: bytes(500) for key in KEYS}))
            await asyncio.sleep(pause)
            batch.cancel()
            await asyncio.gather(batch, return_exceptions=True)
            assert asyncio.all_tasks() == tasks
        assert len(await store.get_many(KEYS)) == len(KEYS)


async def test_a_slot_that_moves_takes_its_keys_along_unnoticed(cluster: Cluster) -> None:
    async with in_cluster(cluster) as store:
        tagged = [f"{{tag}}{key}" for key in KEYS[:30]]
        await store.set_many({key: key.encode() for key in [*KEYS, *tagged]})
        await store.append("{tag}list", 1)
        page = await store.bound.send(Scan("", None, 10))
        seen = set(page.items)
        move = _moving(cluster, slot_of(b"{tag}"))
        for _ in move:  # in the middle of each of its steps
            assert await store.get_many(tagged) == tuple(key.encode() for key in tagged)
            assert await store.append("{tag}list", 1) > 1
            await store.set("{tag}new", b"1", ttl=9)
            await store.delete("{tag}new")
            await store.increment("{tag}counter")
            assert await store.ttl("{tag}k1") is not None
        while page.next is not None:
            page = await store.bound.send(Scan("", page.next, 10))
            seen.update(page.items)
        assert seen >= {*KEYS, *tagged}
        assert await store.set_many(dict.fromkeys(tagged, b"2")) == (Done(None),) * 30


def _moving(cluster: Cluster, slot: int) -> Iterator[None]:
    """Move a slot to another node, step by step."""
    source = cluster.master_of("{tag}")
    target = next(node for node in cluster.masters if node is not source)
    with source.connection() as here, target.connection() as there:
        names = here("CLUSTER", "MYID"), there("CLUSTER", "MYID")
        there("CLUSTER", "SETSLOT", slot, "IMPORTING", str(names[0]))
        here("CLUSTER", "SETSLOT", slot, "MIGRATING", str(names[1]))
        yield
        while True:
            keys = here("CLUSTER", "GETKEYSINSLOT", slot, 100)
            assert isinstance(keys, list)
            if not keys:
                break
            where = ("127.0.0.1", target.port, "", 0, 1000)
            here("MIGRATE", *where, "KEYS", *map(str, keys))
            yield
        there("CLUSTER", "SETSLOT", slot, "NODE", str(names[1]))
        yield
        here("CLUSTER", "SETSLOT", slot, "NODE", str(names[1]))
        yield


async def test_a_cluster_whose_master_dies_fails_its_part_and_recovers(cluster: Cluster) -> None:
    async with in_cluster(cluster) as store:
        await store.set_many({key: key.encode() for key in KEYS})
        for master in cluster.masters:
            await replicated(lambda: master)  # noqa: B023  # awaited here
        writer = Writer(store)
        dead = await asyncio.to_thread(cluster.kill_master, "list")

        with pytest.raises(PASSING):
            await get_until_it_fails(store, "list")
        told = await store.get_many(KEYS, outcomes=True)
        assert {type(one) for one in told} == {Done, Failed}
        assert all(isinstance(one.error, PASSING) for one in told if isinstance(one, Failed))

        await until_written(store)
        last = len(writer.acknowledged)
        while len(writer.acknowledged) < last + 20:
            await asyncio.sleep(0.01)
        await writer.stop()
        assert writer.failed
        stored = json.loads(await store.get("list") or b"[]")
        assert set(stored) >= set(writer.acknowledged[last:])
        assert len(stored) == len(set(stored))
        assert await store.get_many(KEYS) == tuple(key.encode() for key in KEYS)
        seen = {key async for key in store.scan("k", limit=20)}
        assert seen == set(KEYS)
        await asyncio.to_thread(dead.restart)
        assert await store.get_many(KEYS) == tuple(key.encode() for key in KEYS)


async def test_a_cluster_is_asked_who_holds_what_only_when_something_has_changed() -> None:
    def answer(asked: list[bytes]) -> bytes:
        return slots(server, (0, 16383)) if asked[0] == b"CLUSTER" else b"$1\r\n1\r\n"

    async with fake(answer, mode=b"cluster") as server:
        url = f"redis://{server.address}"
        async with Stack().over(RedisKeyValue(url, topology="cluster")) as store:
            for _ in range(5):
                assert await store.get("a") == b"1"
        sent = [words(one)[0] for one in server.requests]
        assert sent == [b"CLUSTER", b"PING", b"INFO", *[b"GET"] * 5]


async def test_many_calls_that_find_out_together_ask_once() -> None:
    def answer(asked: list[bytes]) -> bytes:
        return slots(server, (0, 16383)) if asked[0] == b"CLUSTER" else b"$1\r\n1\r\n"

    async with fake(answer, mode=b"cluster") as server:
        url = f"redis://{server.address}"
        async with Stack().over(RedisKeyValue(url, topology="cluster")) as store:
            server.then(b"-CLUSTERDOWN wait\r\n")
            with pytest.raises(Unavailable, match="cluster is down"):
                await store.get("a")
            server.requests.clear()
            await asyncio.gather(*(store.get(key) for key in KEYS[:20]))
        sent = [words(one)[0] for one in server.requests]
        assert sent.count(b"CLUSTER") == 1


async def test_a_scan_that_a_failover_interrupts_misses_nothing() -> None:
    with Cluster() as cluster:
        async with in_cluster(cluster) as store:
            await store.set_many(dict.fromkeys(KEYS, b"1"))
            for master in cluster.masters:
                await replicated(lambda: master)  # noqa: B023  # awaited here
            seen: set[str] = set()
            page = await store.bound.send(Scan("k", None, 5))
            seen.update(page.items)
            dead = await asyncio.to_thread(cluster.kill_master, page.items[0])
            async with asyncio.timeout(30):
                while page.next is not None:
                    try:
                        page = await store.bound.send(Scan("k", page.next, 5))
                    except PASSING:
                        await asyncio.sleep(0.02)
                    else:
                        seen.update(page.items)
            assert seen == set(KEYS)

        hosts = f"127.0.0.1:{dead.port},127.0.0.1:{cluster.ports[-1]}"  # the first is down
        async with Stack().over(RedisKeyValue(f"redis://{hosts}", topology="cluster")) as store:
            await store.check()
            assert await store.get_many(KEYS) == (b"1",) * len(KEYS)
