"""Each way in which Redis fails becomes the error that the table says."""

from __future__ import annotations

import asyncio
import shutil
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from redis_fakes import bulk, fake, slots

from lamina.backends.redis import RedisKeyValue
from lamina.backends.redis.failures import FAILURES
from lamina.domains.keyvalue import KeyValue
from lamina.errors import Corrupt, StorageError
from lamina.stack import Stack
from lamina.testing.faults import FaultProxy
from lamina.testing.servers import Sentinel, Valkey
from lamina.testing.servers.resp import Refused

pytestmark = pytest.mark.server
SECRET = "sesame-street"
Scenario = Callable[[], Awaitable[object]]
SCENARIOS: dict[str, Scenario] = {}


def row(name: str) -> Callable[[Scenario], Scenario]:
    def note(scenario: Scenario) -> Scenario:
        SCENARIOS[name] = scenario
        return scenario

    return note


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[KeyValue]:
    limits = {"timeout": 0.5, "connect_timeout": 2.0} | options
    async with Stack().over(RedisKeyValue(url, **limits)) as store:
        yield store


async def asked(
    url: str, ask: Callable[[KeyValue], Awaitable[object]] | None = None, **options: Any
) -> None:
    async with opened(url, **options) as store:
        await (store.get("a") if ask is None else ask(store))


async def told(answer: bytes, **options: Any) -> None:
    async with fake(answer) as server:
        await asked(f"redis://{server.address}", **options)


@row("not connected")
async def nobody_listens() -> None:
    async with FaultProxy("127.0.0.1", 1) as proxy:
        proxy.refuse()
        await asked(f"redis://:{SECRET}@{proxy.address}")


@row("connect timeout")
async def nobody_greets() -> None:
    async with FaultProxy("127.0.0.1", 1) as proxy:
        proxy.blackhole()
        await asked(f"redis://:{SECRET}@{proxy.address}", connect_timeout=0.2)


@row("pool timeout")
async def all_connections_are_taken() -> None:
    with Valkey() as server:
        async with opened(server.url, connections=1) as store:
            server.pause()
            told = await asyncio.gather(*(store.get("a") for _ in range(3)), return_exceptions=True)
            server.resume()
            assert isinstance(told[2], BaseException)
            raise told[2]


@row("no answer")
async def the_server_is_paused() -> None:
    with Valkey() as server:
        async with opened(server.url) as store:
            server.pause()
            try:
                await store.get("a")
            finally:
                server.resume()


@row("cut off")
async def the_connection_is_reset() -> None:
    with Valkey() as server:
        async with (
            FaultProxy("127.0.0.1", server.port) as proxy,
            opened(f"redis://{proxy.address}") as store,
        ):
            proxy.after_request("reset")
            await store.get("a")


@row("garbage")
async def a_gateway_answers_html() -> None:
    await told(b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>")


@row("no master")
async def the_master_has_another_name() -> None:
    async with fake(b"*-1\r\n", mode=b"sentinel") as server:
        await asked(f"redis://{server.address}", topology="sentinel", master="none")


@row("no nodes")
async def no_node_of_the_cluster_is_up() -> None:
    async with FaultProxy("127.0.0.1", 1) as proxy:
        proxy.refuse()
        await asked(f"redis://{proxy.address},{proxy.address}", topology="cluster")


@row("uncovered")
async def a_slot_has_no_node() -> None:
    async with fake(lambda _: slots(server, (0, 9)), mode=b"cluster") as server:
        await asked(f"redis://{server.address}", topology="cluster")


@row("moving")
async def the_cluster_sends_us_in_circles() -> None:
    def answer(asked: list[bytes]) -> bytes:
        moved = b"-MOVED 15495 127.0.0.1:%d\r\n" % server.port
        return slots(server, (0, 16383)) if asked[0] == b"CLUSTER" else moved

    async with fake(answer, mode=b"cluster") as server:
        await asked(f"redis://{server.address}", topology="cluster")


@row("loading")
async def it_loads_its_data() -> None:
    await told(b"-LOADING Redis is loading the dataset in memory\r\n")


@row("too many clients")
async def it_has_as_many_clients_as_it_takes() -> None:
    with Valkey(["--maxclients", "1"]) as server:
        async with opened(server.url) as first:
            await first.check()
            await asked(server.url)


@row("busy")
async def it_runs_a_script_for_ever() -> None:
    with Valkey(["--busy-reply-threshold", "10"]) as server:
        async with opened(server.url) as store:
            busy = threading.Thread(target=_spin, args=(server,))
            busy.start()
            try:
                while True:  # until the script is seen to run
                    await store.get("a")
            finally:
                with server.connection() as run:
                    run("SCRIPT", "KILL")
                busy.join()


def _spin(server: Valkey) -> None:
    with server.connection() as run, suppress(Refused):
        run("EVAL", "while true do end", 0)


@row("read only")
async def it_is_a_replica() -> None:
    with Valkey() as server:
        async with opened(server.url) as store:
            with server.connection() as run:
                run("REPLICAOF", "127.0.0.1", "1")
            await store.set("a", b"1")


@row("master down")
async def it_has_lost_its_master() -> None:
    with Valkey(["--replica-serve-stale-data", "no"]) as server:
        async with opened(server.url) as store:
            with server.connection() as run:
                run("REPLICAOF", "127.0.0.1", "1")
            await store.get("a")


@row("cluster down")
async def too_much_of_the_cluster_is_down() -> None:
    await told(b"-CLUSTERDOWN The cluster is down\r\n")


@row("no replicas")
async def it_wants_replicas_to_take_writes() -> None:
    with Valkey(["--min-replicas-to-write", "1"]) as server:
        await asked(server.url, lambda store: store.append("a", 1))


@row("out of memory")
async def it_has_no_memory_left() -> None:
    with Valkey(["--maxmemory", "1"]) as server:
        await asked(server.url, lambda store: store.append("a", 1))


@row("disk")
async def it_cannot_save() -> None:
    with Valkey(["--save", "3600", "1"]) as server:
        shutil.rmtree(server.data)
        with server.connection() as run:
            run("BGSAVE")
            while "rdb_last_bgsave_status:ok" in str(run("INFO", "persistence")):
                await asyncio.sleep(0.01)
        await asked(server.url, lambda store: store.increment("a"))


@row("unauthorized")
async def it_asks_for_a_password() -> None:
    with Valkey(password=SECRET) as server:
        await asked(f"redis://127.0.0.1:{server.port}")


@row("wrong password")
async def it_knows_another_password() -> None:
    with Valkey(password="another") as server:
        await asked(f"redis://:{SECRET}@127.0.0.1:{server.port}")


@row("not permitted")
async def the_user_may_not_write() -> None:
    with Valkey() as server:
        with server.connection() as run:
            run("ACL", "SETUSER", "reader", "on", f">{SECRET}", "~*", "+@read", "+ping")
        url = f"redis://reader:{SECRET}@127.0.0.1:{server.port}"
        await asked(url, lambda store: store.set("a", b"1"))


@row("no database")
async def the_database_is_not_there() -> None:
    with Valkey() as server:
        await asked(f"redis://127.0.0.1:{server.port}/999999999")


@row("wrong kind")
async def the_key_holds_a_hash() -> None:
    with Valkey() as server:
        with server.connection() as run:
            run("HSET", "a", "field", "1")
        await asked(server.url, lambda store: store.append("a", 1))


@row("too big")
async def the_value_is_too_big() -> None:
    await told(b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n")


@row("is a cluster")
async def one_server_is_expected_and_a_cluster_is_there() -> None:
    with Valkey(["--cluster-enabled", "yes", "--databases", "1"]) as server:
        await asked(server.url)


@row("is no cluster")
async def a_cluster_is_expected_and_one_server_is_there() -> None:
    with Valkey() as server:
        await asked(server.url, topology="cluster")


@row("is a sentinel")
async def one_server_is_expected_and_a_sentinel_is_there() -> None:
    async with fake(b"-ERR unknown command\r\n", mode=b"sentinel") as server:
        await asked(f"redis://{server.address}")


@row("is no sentinel")
async def a_sentinel_is_expected_and_one_server_is_there() -> None:
    with Valkey() as server:
        await asked(f"redis://127.0.0.1:{server.port}", topology="sentinel", master=Sentinel.name)


@row("too old")
async def it_is_too_old() -> None:
    async with fake(b"+OK\r\n", version=b"5.0.14") as server:
        await asked(f"redis://{server.address}")


@row("contended")
async def the_list_is_another_each_time() -> None:
    number = iter(range(1000))

    def answer(asked: list[bytes]) -> bytes:
        return b"*2\r\n:0\r\n" + bulk(b"[%d]" % next(number))

    async with fake(answer) as server:
        await asked(f"redis://{server.address}", lambda store: store.append("a", 1))


@row("failed")
async def it_answers_an_error_that_nobody_knows() -> None:
    await told(b"-ODDLY something happened to sesame-street\r\n")


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_failure_becomes_what_the_table_says(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = FAILURES[name].error()

    with pytest.raises(StorageError) as caught:
        async with asyncio.timeout(10):
            await SCENARIOS[name]()

    error = caught.value
    assert type(error) is type(wanted)
    assert FAILURES[name].message in str(error)
    assert (error.transient, error.sent) == (wanted.transient, wanted.sent)
    assert SECRET not in f"{error!r} {error} {caplog.text}"
    assert error.__cause__ is not None or name in CAUSELESS


CAUSELESS = {
    *("no master", "uncovered", "moving", "is a cluster", "is a sentinel", "too old"),
    *("contended", "is no cluster", "no nodes"),
}
"""What no foreign exception tells."""


def test_every_row_of_the_table_is_produced() -> None:
    assert set(SCENARIOS) == set(FAILURES)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"-TRYAGAIN Multiple keys request during rehashing of slot", "moving"),
        (b"-CROSSSLOT Keys in request don't hash to the same slot", "failed"),
        (b"-MASTERDOWN Link with MASTER is down", "master down"),
        (b"-READONLY You can't write against a read only replica.", "read only"),
        (b"-BUSY Valkey is busy running a script.", "busy"),
        (b"-MISCONF Errors writing to the AOF file: No space left on device", "disk"),
        (b"-NOAUTH Authentication required.", "unauthorized"),
        (b"-ERR invalid password", "wrong password"),
        (b"-ERR max number of clients reached", "too many clients"),
        (b"-ASK 15495 127.0.0.1:1", "moving"),
        (b"-EXECABORT Transaction discarded", "failed"),
        (b"-", "failed"),
        (b":1", "garbage"),
        (b"*1\r\n:1", "garbage"),
        (b"$abc", "garbage"),
        (b"!!", "garbage"),
    ],
)
async def test_an_answer_becomes_what_the_table_says(text: bytes, name: str) -> None:
    with pytest.raises(StorageError) as caught:
        await told(text + b"\r\n")

    assert FAILURES[name].message in str(caught.value)
    assert type(caught.value) is FAILURES[name].becomes


@pytest.mark.parametrize("name", ["Get", "Set"])
async def test_a_failure_names_backend_and_operation(name: str) -> None:
    ask = {"Get": lambda s: s.get("a"), "Set": lambda s: s.set("a", b"x")}[name]
    async with fake(b"-OOM command not allowed\r\n") as server:
        with pytest.raises(StorageError) as caught:
            await asked(f"redis://{server.address}", ask)

    assert caught.value.backend == "redis"
    assert str(caught.value.brief) == f"keyvalue.{name}('a')"
    assert server.count == 3  # PING, INFO and one try


async def test_a_cluster_of_one_process_tells_that_parts_are_missing() -> None:
    options = ["--cluster-enabled", "yes", "--databases", "1"]
    with Valkey(options) as server, pytest.raises(StorageError, match="no node serves that part"):
        await asked(server.url, topology="cluster")


async def test_a_server_that_is_down_is_named() -> None:
    async with FaultProxy("127.0.0.1", 1) as proxy:
        proxy.refuse()
        with pytest.raises(StorageError) as caught:
            await asked(f"redis://:{SECRET}@{proxy.address}")
    assert str(caught.value).endswith(
        f"cannot connect to the server ({proxy.address}: ConnectionRefusedError)"
    )


async def test_a_socket_that_is_not_there_is_named() -> None:
    with pytest.raises(StorageError, match=r"/none/s: FileNotFoundError"):
        await asked("unix:///none/s")


@pytest.mark.parametrize("shown", [f"`AUTH`, with args beginning with: `me`, `{SECRET}`", SECRET])
async def test_a_server_that_repeats_the_password_does_not_make_it_known(shown: str) -> None:
    async with fake(f"-ERR unknown command {shown}, \r\n".encode()) as server:
        with pytest.raises(StorageError) as caught:
            await asked(f"redis://me:{SECRET}@{server.address}")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


async def test_a_server_that_repeats_content_does_not_make_it_known() -> None:
    answer = f"-ERR unknown command 'SET', with args beginning with: 'a' '{SECRET}' \r\n".encode()
    async with fake(answer) as server:
        with pytest.raises(StorageError) as caught:
            await asked(f"redis://{server.address}", lambda store: store.set("a", SECRET.encode()))
        assert SECRET not in "".join(traceback.format_exception(caught.value))
        items = {"a": SECRET.encode()}
        with pytest.raises(StorageError) as caught:
            await asked(f"redis://{server.address}", lambda store: store.set_many(items, ttl=9))
        assert SECRET not in "".join(traceback.format_exception(caught.value))


async def test_a_batch_of_what_are_no_values_is_refused_as_an_answer() -> None:
    with pytest.raises(Corrupt):
        await told(b"*2\r\n:1\r\n:2\r\n", ask=lambda store: store.get_many(["a", "b"]))


async def test_a_batch_that_is_refused_half_way_may_have_been_done() -> None:
    answers = iter([b"+OK\r\n", b"-LOADING wait\r\n", b"+OK\r\n"])
    async with fake(lambda _: next(answers)) as server:
        with pytest.raises(StorageError, match="loading") as caught:
            await asked(
                f"redis://{server.address}",
                lambda store: store.set_many(dict.fromkeys("abc", b"1"), ttl=9),
            )
    assert caught.value.sent == "maybe"
    assert caught.value.transient
