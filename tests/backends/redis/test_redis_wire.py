"""What other programs write is read, and what is written they read: the same keys and bytes."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from redis_fakes import fake

from lamina.backends.redis import RedisKeyValue
from lamina.backends.redis.wire import pack, pack_get, pack_set, sequence
from lamina.domains.keyvalue import GetStamped, GetStampedMany, KeyValue, Scan
from lamina.errors import AuthError, BatchFailed, Corrupt, Invalid, Unavailable
from lamina.stack import Stack
from lamina.storage import UnifiedStorage
from lamina.testing.servers import OldRedis, Redis, Valkey
from lamina.values import Done, Failed, Stamped

pytestmark = pytest.mark.server
DAY = 86_400
CERTIFICATE = Path(__file__).parent / "localhost.pem"  # for tests, with its key; until 2126
MESSAGES: list[Any] = [
    {"role": "user", "content": "Привет \U0001f44b"},
    {"role": "assistant", "content": "", "tools": [], "meta": {}, "id": 2**63},
]


@asynccontextmanager
async def both(url: str, **options: Any) -> AsyncIterator[tuple[KeyValue, Any]]:
    async with (
        Stack().over(RedisKeyValue(url, **options)) as store,
        redis.asyncio.Redis.from_url(url) as other,
    ):
        yield store, other


@pytest.mark.parametrize("server", ["valkey", "redis8", "redis62"])
async def test_conversations_of_another_program_are_read_and_continued(
    server: str, request: pytest.FixtureRequest
) -> None:
    running: Valkey | Redis | OldRedis = request.getfixturevalue(server)
    async with both(running.database()) as (store, other):
        await other.execute_command(
            "SETEX", "conv:42", DAY, json.dumps(MESSAGES)
        )  # as it was always written
        await other.execute_command(
            "SETEX", "conv:prev:42", DAY, json.dumps(MESSAGES, ensure_ascii=False)
        )

        assert json.loads(await store.get("conv:42") or b"") == MESSAGES
        assert await store.append("conv:42", {"role": "user", "content": "é"}) == 3
        assert await store.append("conv:prev:42", 1) == 3

        stored = json.loads(await other.get("conv:42"))
        assert stored == [*MESSAGES, {"role": "user", "content": "é"}]
        assert DAY - 5 < await other.ttl("conv:42") <= DAY
        assert sorted([key async for key in store.scan("conv:")]) == ["conv:42", "conv:prev:42"]


async def test_another_program_reads_conversations_that_are_written_here(valkey: Valkey) -> None:
    async with both(valkey.database()) as (store, other):
        await store.set("conv:42", json.dumps(MESSAGES).encode(), ttl=24 * 3600)
        await store.append("conv:7", MESSAGES[0], ttl=DAY)

        assert json.loads(await other.get("conv:42")) == MESSAGES
        assert json.loads(await other.get("conv:7")) == MESSAGES[:1]
        for key in ("conv:42", "conv:7"):
            assert DAY * 1000 - 5000 < await other.pttl(key) <= DAY * 1000
        await other.expire("conv:42", 10)
        assert 9 < (await store.ttl("conv:42") or 0) <= 10
        await other.delete("conv:42")
        assert await store.get("conv:42") is None


async def test_the_unified_storage_keeps_conversations_as_they_always_were(valkey: Valkey) -> None:
    url = valkey.database()
    plain = UnifiedStorage.in_memory()
    async with both(url) as (store, other):
        storage = UnifiedStorage(
            keyvalue=store, vectors=plain.vectors, documents=plain.documents, media=plain.media
        )
        await storage.save_conversation("42", MESSAGES)
        assert json.loads(await other.get("conv:42")) == MESSAGES
        assert DAY - 5 < await other.ttl("conv:42") <= DAY
        await other.execute_command("SETEX", "conv:42", DAY, json.dumps(MESSAGES[:1]))
        assert await storage.append_message("42", MESSAGES[1]) == 2
        assert await storage.get_conversation("42") == MESSAGES


async def test_scans_pass_over_what_others_keep_in_the_same_database(valkey: Valkey) -> None:
    async with both(valkey.database()) as (store, other):
        await other.set(b"\xff\xfe", b"1")
        await other.set(b"with\0nul", b"1")
        await other.set(b"", b"1")
        await other.set(b"x" * 1025, b"1")
        await other.hset("a hash", "field", "1")
        await other.rpush("a list", "1")
        await store.scoped("acme").set("hidden", b"1")
        await store.append("listed", 1, idempotency="once")
        await store.set("plain", b"1")

        assert sorted([key async for key in store.scan()]) == ["listed", "plain"]
        assert [key async for key in store.scoped("acme").scan()] == ["hidden"]
        assert await other.get(b"lamina\0acme\0hidden") == b"1"
        with pytest.raises(Invalid, match="something other than a value"):
            await store.get("a hash")
        with pytest.raises(Invalid):
            await store.increment("a list")
        assert await store.delete("a hash") is True


async def test_no_unscoped_key_reaches_a_tenant(valkey: Valkey) -> None:
    async with both(valkey.database()) as (store, _):
        await store.scoped("acme").set("a", b"1")
        for key in ("lamina\0acme\0a", "\0", "lamina\0"):
            with pytest.raises(Invalid):
                await store.get(key)
        for scope, key in (("acme\0a", "b"), ("", "acme")):
            if scope:
                with pytest.raises(Invalid):
                    store.scoped(scope)
            else:
                assert await store.get(key) is None


async def test_a_sparse_prefix_is_found_in_one_search(valkey: Valkey) -> None:
    async with both(valkey.database()) as (store, _):
        await store.set_many({f"other:{place}": b"1" for place in range(5000)})
        await store.set_many({"rare:1": b"1", "rare:2": b"1"})

        assert sorted(await store.search("rare:")) == ["rare:1", "rare:2"]
        assert len([key async for key in store.scan("other:", limit=50)]) >= 5000


async def test_a_cursor_of_another_run_begins_anew_and_misses_nothing(tmp_path: Path) -> None:
    with Valkey(data=tmp_path / "data") as server:
        async with Stack().over(RedisKeyValue(server.url)) as store:
            keys = {f"k{place}" for place in range(500)}
            await store.set_many(dict.fromkeys(keys, b"1"))
            page = await store.bound.send(Scan("k", None, 50))
            seen = set(page.items)
            await asyncio.to_thread(server.restart)  # it spreads its keys in another way now
            while page.next is not None:
                page = await store.bound.send(Scan("k", page.next, 50))
                seen.update(page.items)
            assert seen == keys


@pytest.mark.parametrize(
    "cursor", ["x", "-", "abc-", "-x", "-1-1", "0", "-" + "9" * 30, f"-{2**64}"]
)
async def test_a_cursor_that_no_scan_gave_is_refused(cursor: str, valkey: Valkey) -> None:
    async with both(valkey.database()) as (store, _):
        with pytest.raises(Invalid, match="cursor"):
            await store.bound.send(Scan(cursor=cursor))


async def test_a_prefix_that_no_key_can_have_finds_none(valkey: Valkey) -> None:
    async with both(valkey.database()) as (store, _):
        await store.scoped("acme").set("a", b"1")
        await store.set("b", b"1")
        for prefix in ("lamina", "*", "[b]", "?", "\\b", "b" * 2000):
            assert [key async for key in store.scan(prefix)] == []
        for prefix in ("lamina\0acme\0", "\0", "\ud800"):
            with pytest.raises(Invalid, match="prefix"):
                await store.search(prefix)


async def test_a_batch_tells_a_key_of_another_kind_from_an_absent_one(valkey: Valkey) -> None:
    async with both(valkey.database()) as (store, other):
        await other.hset("a hash", "field", "1")
        await store.set("a", b"1")
        first, second, third = await store.get_many(["a", "a hash", "none"], outcomes=True)
        assert (first, third) == (Done(b"1"), Done(None))
        assert isinstance(second, Failed)
        assert isinstance(second.error, Invalid)
        with pytest.raises(BatchFailed, match="something other than a value"):
            await store.get_many(["a", "a hash"])


async def test_a_read_tells_its_time_in_one_round_trip() -> None:
    with Valkey() as server:
        async with both(server.url) as (store, other):
            await store.set("a", b"1", ttl=100)
            await store.bound.send(GetStamped("a"))  # tells the script
            await other.config_resetstat()
            stamped = await store.bound.send(GetStamped("a"))

            assert stamped.value == b"1"
            assert stamped.expires_at is not None
            assert abs(stamped.expires_at - store.bound.runtime.wall() - 100) < 0.05
            told = await other.info("commandstats")
            assert told["cmdstat_evalsha"]["calls"] == 1
            assert "cmdstat_eval" not in told


async def test_a_time_that_the_server_cannot_tell_is_refused_as_an_answer() -> None:
    async with fake(b"*2\r\n$1\r\nx\r\n$1\r\ny\r\n") as server:
        backend = RedisKeyValue(f"redis://{server.address}")
        async with Stack().over(backend) as store:
            with pytest.raises(Corrupt):
                await store.bound.send(GetStamped("a"))


async def test_a_server_is_found_at_a_unix_socket() -> None:
    with Valkey(["--unixsocket", "s", "--unixsocketperm", "777"]) as server:
        async with Stack().over(RedisKeyValue(f"unix://{server.data}/s?db=3")) as store:
            await store.set("a", b"1")
            assert await store.get("a") == b"1"
        with server.connection() as run:
            run("SELECT", 3)
            assert run("GET", "a") == "1"


@asynccontextmanager
async def encrypted(port: int) -> AsyncIterator[int]:
    """Take TLS connections and pass them on to *port*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                target.write(data)
                await target.drain()
            target.close()

        await asyncio.gather(copy(reader, to_writer), copy(to_reader, writer))

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_connections_are_encrypted_when_the_url_says_so(valkey: Valkey) -> None:
    number = valkey.database().rpartition("/")[2]
    async with encrypted(valkey.port) as port:
        url = f"rediss://localhost:{port}/{number}?ca={CERTIFICATE}"
        async with Stack().over(RedisKeyValue(url)) as store:
            await store.set("a", b"1" * 100_000)
            assert await store.get("a") == b"1" * 100_000
        stranger = Stack().over(RedisKeyValue(f"rediss://localhost:{port}/{number}"))
        with pytest.raises(Unavailable, match="cannot connect"):
            await stranger.open()
        await stranger.close()
        plain = Stack().over(RedisKeyValue(f"redis://localhost:{port}/{number}"))
        with pytest.raises(Unavailable):
            await plain.open()
        await plain.close()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("server", ["valkey", "redis8", "redis62"])
async def test_the_longest_time_is_taken_by_every_server(
    server: str, request: pytest.FixtureRequest
) -> None:
    running: Valkey | Redis | OldRedis = request.getfixturevalue(server)
    async with both(running.database()) as (store, _):
        await store.set("a", b"1", ttl=1e308)
        await store.set_many({"b": b"1"}, ttl=1e13)
        await store.append("c", 1, ttl=1e300)
        await store.increment("d", ttl=1e300)
        await store.compare_and_set("e", None, b"1", ttl=1e300)
        await store.set("f", b"1")
        assert await store.expire("f", 1e300)
        for key in "abcdef":
            assert await store.ttl(key) == pytest.approx(1e12)


@pytest.mark.parametrize("kind", [Valkey, Redis, OldRedis])
async def test_a_user_needs_no_more_rights_than_the_page_says(kind: type[Valkey]) -> None:
    with kind() as server:
        with server.connection() as run:
            rights = ["+@read", "+@write", "+@scripting", "+@transaction"]
            rights += ["+@connection", "+select"]
            run("ACL", "SETUSER", "bot", "on", ">secret", "~*", *rights)
        url = f"redis://bot:secret@127.0.0.1:{server.port}/1"
        async with Stack().over(RedisKeyValue(url)) as store:
            await store.check()
            await store.set_many({f"k{place}": b"1" for place in range(50)})
            await store.set_many({"a": b"1"}, ttl=9)
            assert await store.get_many(["a", "b"]) == (b"1", None)
            await store.compare_and_set("a", b"1", b"2")
            assert await store.append("list", 1, idempotency="once") == 1
            assert await store.increment("counter", ttl=9) == 1
            assert await store.expire("a", None)
            assert await store.ttl("a") == float("inf")
            assert (await store.bound.send(GetStamped("a"))).value == b"2"
            (told,) = await store.bound.send(GetStampedMany(("a",)))
            assert told == Done(Stamped(b"2"))
            assert len({key async for key in store.scan("k", limit=3)}) == 50
            assert await store.delete("a")


async def test_a_user_held_to_some_keys_appends_to_them_as_the_page_says() -> None:
    with Valkey() as server:
        with server.connection() as run:
            run("ACL", "SETUSER", "bot", "on", ">secret", "~conv:*", "+@all")
        url = f"redis://bot:secret@127.0.0.1:{server.port}"
        async with Stack().over(RedisKeyValue(url)) as store:
            with pytest.raises(AuthError, match="does not allow") as caught:
                await store.append("conv:42", 1)
            assert caught.value.sent == "no"
            with server.connection() as run:
                run("ACL", "SETUSER", "bot", "~lamina.*")
            assert await store.append("conv:42", 1, idempotency="once") == 1
            assert await store.append("conv:42", 1, idempotency="once") == 1
            with pytest.raises(AuthError):
                await store.scoped("acme").get("conv:42")


def test_many_short_pieces_are_sent_as_one_and_long_ones_uncopied() -> None:
    long = bytes(100_000)
    short = [b"x%d" % number for number in range(30_000)]

    assert len(pack(b"MSET", *short)) == 1
    assert b"".join(pack(b"MSET", *short)) == b"*30001\r\n$4\r\nMSET\r\n" + b"".join(
        b"$%d\r\n%b\r\n" % (len(word), word) for word in short
    )
    told = sequence([pack_set(b"a", long, None), pack_get(b"b"), pack_set(b"c", b"1", None)])
    assert [len(piece) for piece in told][1] == len(long)
    assert any(piece is long for piece in told)
    assert len(told) == 3
