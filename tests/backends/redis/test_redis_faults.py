"""A server that dies, hangs or is cut off: a clear error in time, and then it works again."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis_fakes import fake, words

from lamina.backends.redis import RedisKeyValue
from lamina.domains.keyvalue import GetStamped, GetStampedMany, KeyValue
from lamina.errors import AuthError, StackError, StorageError, TimedOut, Unavailable
from lamina.layers.retry import Retry
from lamina.stack import Stack
from lamina.testing.faults import Delay, FaultProxy, Hang, Reset, Truncate, resp_command
from lamina.testing.servers import Valkey

pytestmark = pytest.mark.server
SECRET = "sesame-street"
Ask = Callable[[KeyValue], Awaitable[object]]
EACH: dict[str, Ask] = {
    "check": lambda store: store.check(),
    "get": lambda store: store.get("a"),
    "get many": lambda store: store.get_many(["a", "b"]),
    "get stamped many": lambda store: store.bound.send(GetStampedMany(("a", "b"))),
    "set": lambda store: store.set("a", b"1"),
    "set many": lambda store: store.set_many({"a": b"1"}),
    "set many for a time": lambda store: store.set_many({"a": b"1", "b": b"2"}, ttl=9),
    "delete": lambda store: store.delete("a"),
    "compare and set": lambda store: store.compare_and_set("a", b"1", b"2"),
    "append": lambda store: store.append("list", 1, idempotency="once"),
    "increment": lambda store: store.increment("counter"),
    "expire": lambda store: store.expire("a", 9),
    "keep": lambda store: store.expire("a", None),
    "ttl": lambda store: store.ttl("a"),
    "scan": lambda store: store.search(""),
}

AT_ONCE: dict[str, list[bytes]] = {
    "get stamped many": [b"MULTI", b"MGET", b"EVAL", b"EXEC"],
    "set many for a time": [b"SET", b"SET"],
    "scan": [b"INFO", b"SCAN"],
}
"""Calls that are several commands, sent at once or one after the other."""


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[KeyValue]:
    limits = {"timeout": 0.4, "connect_timeout": 2.0} | options
    async with Stack().over(RedisKeyValue(url, **limits)) as store:
        yield store


async def recovered(store: KeyValue, within: float = 10) -> None:
    """Ask until it works."""
    async with asyncio.timeout(within):
        while True:
            try:
                await store.check()
            except Unavailable:
                await asyncio.sleep(0.01)
            else:
                return


async def test_a_killed_server_is_unavailable_and_the_next_call_after_its_restart_works() -> None:
    with Valkey() as server:
        async with opened(server.url) as store:
            await store.set("a", b"1")
            server.kill()
            for ask in EACH.values():
                with pytest.raises(Unavailable) as caught:
                    await ask(store)
                assert caught.value.transient
                assert caught.value.backend == "redis"

            server.restart()

            assert await store.get("a") is None  # it kept nothing; no call between
            for name, ask in EACH.items():
                if name != "compare and set":
                    await ask(store)


async def test_a_server_killed_in_the_middle_of_calls_fails_each_of_them() -> None:
    with Valkey(["--busy-reply-threshold", "60000"]) as server:
        async with opened(server.url, timeout=5.0) as store:
            await store.check()
            busy = threading.Thread(target=_spin, args=(server,))
            busy.start()
            await asyncio.sleep(0.1)
            calls = [asyncio.ensure_future(ask(store)) for ask in EACH.values()]
            await asyncio.sleep(0.1)
            assert not any(call.done() for call in calls)

            began = time.monotonic()
            server.kill()
            told = await asyncio.gather(*calls, return_exceptions=True)

            assert time.monotonic() - began < 2
            assert all(isinstance(error, Unavailable) for error in told), told
            busy.join()
            server.restart()
            await store.check()


def _spin(server: Valkey) -> None:
    try:
        with server.connection() as run:
            run("EVAL", "while true do end", 0)
    except OSError:
        return


@pytest.mark.parametrize("name", EACH)
async def test_a_paused_server_times_a_call_out_and_the_next_after_it_works(name: str) -> None:
    with Valkey() as server:
        async with opened(server.url, timeout=0.1) as store:
            await store.check()
            server.pause()
            began = time.monotonic()
            try:
                with pytest.raises(TimedOut, match="no answer in time"):
                    await EACH[name](store)
            finally:
                server.resume()
            assert 0.08 < time.monotonic() - began < 1

            await store.set("a", b"1")
            await EACH[name](store)


async def test_a_pause_of_five_seconds_is_told_within_the_time_limit() -> None:
    with Valkey() as server:
        async with opened(server.url, connections=2, timeout=0.5) as store:
            server.pause()
            loop = asyncio.get_running_loop()
            resumed = loop.time() + 5
            loop.call_at(resumed, server.resume)
            slowest = 0.0
            while loop.time() < resumed:
                began = loop.time()
                calls = (store.get("a") for _ in range(3))
                told = await asyncio.gather(*calls, return_exceptions=True)
                slowest = max(slowest, loop.time() - began)
                if loop.time() < resumed:
                    assert all(isinstance(error, TimedOut | Unavailable) for error in told)
            await recovered(store)
            assert slowest < 2


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("how", ["reset", "close", "hang"])
async def test_an_answer_that_is_lost_leaves_it_open_whether_it_was_done(
    name: str, how: Any, valkey: Valkey
) -> None:
    database = valkey.database().rpartition("/")[2]
    async with (
        FaultProxy("127.0.0.1", valkey.port, requests=resp_command) as proxy,
        opened(f"redis://{proxy.address}/{database}", timeout=0.12) as store,
    ):
        await store.set("a", b"1")
        proxy.after_request(how)
        before = proxy.requests
        with pytest.raises(StorageError) as caught:
            await EACH[name](store)

        assert isinstance(caught.value, TimedOut if how == "hang" else Unavailable)
        assert caught.value.sent == "maybe"
        assert caught.value.transient
        assert proxy.requests - before <= len(AT_ONCE.get(name, "1"))
        assert proxy.struck == 1
        await store.set("a", b"1")
        await EACH[name](store)


@pytest.mark.parametrize("after", [0, 1, 3, 5, 300])
@pytest.mark.parametrize("how", ["close", "reset", "hang"])
async def test_half_an_answer_is_no_answer(after: int, how: Any, valkey: Valkey) -> None:
    database = valkey.database().rpartition("/")[2]
    async with (
        FaultProxy("127.0.0.1", valkey.port) as proxy,
        opened(f"redis://{proxy.address}/{database}", timeout=0.12) as store,
    ):
        await store.set("a", bytes(1000))
        proxy.in_answer(how, after=after)
        with pytest.raises((Unavailable, TimedOut)) as caught:
            await store.get("a")

        assert caught.value.sent == "maybe"
        assert await store.get("a") == bytes(1000)


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize(
    "step",
    [b"-ERR oops\r\n", b"-LOADING wait\r\n", Reset(), Hang(), Truncate(1, b"+OK\r\n")],
    ids=["error", "loading", "reset", "hang", "half"],
)
async def test_rt9_one_call_is_one_request(name: str, step: Any) -> None:
    async with (
        fake(b"+OK\r\n") as server,
        opened(f"redis://{server.address}", timeout=0.1) as store,
    ):
        server.forget()
        server.then(step)
        with pytest.raises(StorageError):
            await EACH[name](store)

        sent = [words(one)[0] for one in server.requests]
        assert sent == AT_ONCE.get(name, sent[:1])[: len(sent)]
        assert server.count <= len(AT_ONCE.get(name, "1"))


async def test_a_connection_that_cannot_be_made_is_tried_once() -> None:
    async with (
        fake(b"$1\r\nx\r\n") as server,
        FaultProxy(server.host, server.port) as proxy,
        opened(f"redis://{proxy.address}") as store,
    ):
        proxy.reset_connections()
        await asyncio.sleep(0)
        proxy.refuse()
        before = proxy.connections
        with pytest.raises(Unavailable) as caught:
            await store.get("a")
        assert caught.value.sent in {"no", "maybe"}
        with pytest.raises(Unavailable, match="cannot connect") as caught:
            await store.get("a")
        assert caught.value.sent == "no"
        assert proxy.connections == before
        proxy.heal()
        assert await store.get("a") == b"x"


async def test_calls_wait_for_a_free_connection_and_are_served_in_turn(valkey: Valkey) -> None:
    url = valkey.database()
    async with opened(url, connections=3, timeout=5) as store:
        await asyncio.gather(*(store.set(f"k{place}", b"%d" % place) for place in range(200)))
        told = await asyncio.gather(*(store.get(f"k{place}") for place in range(200)))
        assert told == [b"%d" % place for place in range(200)]
        with valkey.connection() as run:
            clients = str(run("CLIENT", "LIST")).splitlines()
        number = url.rpartition("/")[2]
        assert sum(f" db={number} " in line for line in clients) <= 3


async def test_cancelled_calls_never_mix_up_answers() -> None:
    with Valkey() as server:
        async with (
            FaultProxy("127.0.0.1", server.port) as proxy,
            opened(f"redis://{proxy.address}", connections=2, timeout=5) as store,
        ):
            proxy.delay(down=lambda: 0.002)
            keys = [f"k{place}" for place in range(40)]
            await store.set_many({key: key.encode() for key in keys})
            for round_ in range(10):
                calls = [asyncio.ensure_future(store.get(key)) for key in keys]
                await asyncio.sleep(0.0015 * round_)
                for call in calls[round_ % 3 :: 3]:
                    call.cancel()
                told = await asyncio.gather(*calls, return_exceptions=True)
                for key, answer in zip(keys, told, strict=True):
                    assert answer == key.encode() or isinstance(answer, asyncio.CancelledError)
                assert any(answer == key.encode() for key, answer in zip(keys, told, strict=True))
            assert await asyncio.gather(*map(store.get, keys)) == [key.encode() for key in keys]


async def test_what_a_server_says_unasked_is_not_taken_for_an_answer() -> None:
    async with (
        fake(b"$1\r\nx\r\n$5\r\nspare\r\n") as server,
        opened(f"redis://{server.address}") as store,
    ):
        for _ in range(3):
            assert await store.get("a") == b"x"
            await asyncio.sleep(0.005)
        assert server.connections >= 3


@pytest.mark.parametrize("seconds", [0.0, 0.0001, 0.001, 0.01])
async def test_opening_may_be_cancelled_at_any_time(seconds: float) -> None:
    with Valkey(password=SECRET) as server:
        store = Stack().over(RedisKeyValue(server.url))
        opening = asyncio.ensure_future(store.open())
        await asyncio.sleep(seconds)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await store.close()
        with server.connection() as run:
            deadline = time.monotonic() + 5
            while len(str(run("CLIENT", "LIST")).splitlines()) > 1:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.001)
    gc.collect()


async def test_closing_leaves_no_connection_task_or_thread(valkey: Valkey) -> None:
    url = valkey.database()
    threads = set(threading.enumerate())
    tasks = asyncio.all_tasks()
    async with opened(url) as store:
        await store.set("a", b'["' + b"x" * 200_000 + b'"]')
        await asyncio.gather(*(store.append("a", 1) for _ in range(20)))
    number = url.rpartition("/")[2]
    with valkey.connection() as run:
        deadline = time.monotonic() + 5
        while f" db={number} " in str(run("CLIENT", "LIST")):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.001)
    assert asyncio.all_tasks() == tasks
    while set(threading.enumerate()) - threads:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


async def test_a_secret_is_in_no_message_and_no_traceback() -> None:
    with Valkey(password="other") as server:
        store = Stack().over(RedisKeyValue(f"redis://me:{SECRET}@127.0.0.1:{server.port}"))
        with pytest.raises(AuthError) as caught:
            async with store:
                pass
        assert "refuses user or password" in str(caught.value)
        told = "".join(traceback.format_exception(caught.value))
        assert SECRET not in told
        assert SECRET not in repr(store.bound.plan())


@pytest.mark.parametrize(
    "options",
    [
        {"topology": "ring"},
        {"topology": "sentinel"},
        {"master": "mymaster"},
        {"topology": "cluster", "master": "mymaster"},
        {"connections": 0},
        {"connections": 1.5},
        {"timeout": 0},
        {"timeout": float("inf")},
        {"connect_timeout": -1},
    ],
)
def test_wrong_options_are_refused_when_it_is_built(options: dict[str, Any]) -> None:
    with pytest.raises(StackError) as caught:
        RedisKeyValue(f"redis://:{SECRET}@localhost", **options)
    assert SECRET not in str(caught.value)


async def test_credentials_that_expire_fail_the_next_call_and_work_when_renewed() -> None:
    with Valkey() as server:
        with server.connection() as run:
            run("ACL", "SETUSER", "bot", "on", f">{SECRET}", "~*", "+@all")
        async with opened(f"redis://bot:{SECRET}@127.0.0.1:{server.port}") as store:
            await store.set("a", b"1")
            with server.connection() as run:
                run("ACL", "SETUSER", "bot", "off")
                run("CLIENT", "KILL", "USER", "bot")
            with pytest.raises((AuthError, Unavailable)):
                await store.get("a")
            with pytest.raises(AuthError, match="refuses user or password"):
                await store.get("a")
            with server.connection() as run:
                run("ACL", "SETUSER", "bot", "on")
            assert await store.get("a") == b"1"


async def test_an_answer_later_than_the_limit_is_not_given_to_another_call() -> None:
    async with (
        fake(b"$4\r\nlate\r\n") as server,
        opened(f"redis://{server.address}", connections=1, timeout=0.1) as store,
    ):
        server.then(Delay(0.15), b"$1\r\n1\r\n")
        with pytest.raises(TimedOut):
            await store.get("a")
        assert await store.get("b") == b"1"
        await asyncio.sleep(0.1)
        assert await store.get("a") == b"late"


async def test_a_batch_tells_what_became_of_each_item() -> None:
    answers = iter([b"+OK\r\n", b"-OOM no memory\r\n", b"+OK\r\n"])
    async with (
        fake(lambda _: next(answers)) as server,
        opened(f"redis://{server.address}") as store,
    ):
        told = await store.set_many(dict.fromkeys("abc", b"1"), ttl=9, outcomes=True)
        assert [type(one).__name__ for one in told] == ["Done", "Failed", "Done"]


async def test_a_user_who_may_not_use_some_keys_reads_and_writes_the_others() -> None:
    with Valkey() as server:
        with server.connection() as run:
            run("ACL", "SETUSER", "bot", "on", f">{SECRET}", "~mine:*", "+@all")
        async with opened(f"redis://bot:{SECRET}@127.0.0.1:{server.port}") as store:
            items = {"mine:1": b"1", "yours": b"2", "mine:2": b"3"}
            told = await store.set_many(items, outcomes=True)
            assert [type(one).__name__ for one in told] == ["Done", "Failed", "Done"]
            read = await store.get_many(list(items), outcomes=True)
            assert [type(one).__name__ for one in read] == ["Done", "Failed", "Done"]
            assert await store.get_many(["mine:1", "mine:2", "mine:3"]) == (b"1", b"3", None)


async def test_a_large_batch_goes_in_parts(valkey: Valkey) -> None:
    async with opened(valkey.database(), timeout=5) as store:
        items = {f"k{place}": json.dumps(place).encode() for place in range(2500)}
        assert len(await store.set_many(items)) == 2500
        assert await store.get_many(list(items)) == tuple(items.values())
        large = {f"l{place}": bytes(3 * 1024 * 1024) for place in range(7)}
        assert len(await store.set_many(large, ttl=60)) == 7
        assert await store.get_many(list(large)) == tuple(large.values())


async def test_a_clock_that_jumps_here_changes_no_time_in_the_server(valkey: Valkey) -> None:
    async with opened(valkey.database(), timeout=5) as store:
        store.bound.runtime.wall = lambda: 4e9
        await store.set("a", b"1", ttl=10)
        store.bound.runtime.wall = lambda: 1.0
        assert 9.5 < (await store.ttl("a") or 0) <= 10
        stamped = await store.bound.send(GetStamped("a"))
        assert 10.5 < (stamped.expires_at or 0) <= 11


async def test_a_lost_answer_is_asked_for_again_and_done_once(valkey: Valkey) -> None:
    database = valkey.database().rpartition("/")[2]
    async with FaultProxy("127.0.0.1", valkey.port, requests=resp_command) as proxy:
        backend = RedisKeyValue(f"redis://{proxy.address}/{database}", timeout=0.5)
        async with Stack(Retry(attempts=3)).over(backend) as store:
            assert await store.append("list", 1) == 1
            assert await store.increment("another") == 1  # the server knows the script now
            for number in range(2, 6):
                proxy.after_request("reset")
                assert await store.append("list", number, idempotency=str(number)) == number
            proxy.after_request("reset")
            await store.compare_and_set("a", None, b"1")
            proxy.after_request("reset")
            await store.compare_and_set("a", b"1", b"2", ttl=9)
            proxy.after_request("reset")
            assert await store.delete("a") is True
            proxy.after_request("reset")
            with pytest.raises(Unavailable):
                await store.increment("counter")  # who knows
            assert json.loads(await store.get("list") or b"") == [1, 2, 3, 4, 5]
            assert await store.get("counter") == b"1"
            assert proxy.struck == 8
