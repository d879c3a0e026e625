"""The same cases on each key-value backend."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import pytest
from stores import KINDS, keyvalue

from lamina.domains.keyvalue import GetStamped, Scan
from lamina.errors import Conflict, Invalid

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.parametrize("kind", KINDS)
ODD = ("a", "ä", "\u202ertl\u200f", "😀" * 200, "a b/../c%_*", "\x01", "'; DROP TABLE keyvalue; --")


async def test_gives_back_what_was_set(kind: str, tmp_path: Path) -> None:
    async with keyvalue(kind, tmp_path) as store:
        for key in ODD:
            await store.set(key, key.encode())
        await store.set("empty", b"")

        assert [await store.get(key) for key in ODD] == [key.encode() for key in ODD]
        assert await store.get("empty") == b""
        assert await store.get("absent") is None


async def test_holds_ten_megabytes(kind: str, tmp_path: Path) -> None:
    async with keyvalue(kind, tmp_path) as store:
        await store.set("a", b"\xff\0" * 5_000_000)

        assert await store.get("a") == b"\xff\0" * 5_000_000


async def test_delete_tells_whether_there_was_one(kind: str, tmp_path: Path) -> None:
    async with keyvalue(kind, tmp_path) as store:
        await store.set("a", b"1")
        await store.set("b", b"1", ttl=5)
        await asyncio.sleep(5)

        assert await store.delete("a")
        assert not await store.delete("a")
        assert not await store.delete("b")


async def test_scopes_do_not_see_each_other(kind: str, tmp_path: Path) -> None:
    async with keyvalue(kind, tmp_path) as store:
        await store.set("a", b"none")
        await store.scoped("x").set("a", b"x")
        await store.scoped("y").append("a", 1, idempotency="once")

        assert await store.get("a") == b"none"
        assert await store.scoped("x").get("a") == b"x"
        assert await store.scoped("x").search("") == ("a",)
        assert await store.scoped("z").append("a", 2, idempotency="once") == 1


async def test_expires_to_the_moment(kind: str, tmp_path: Path) -> None:
    async with keyvalue(kind, tmp_path) as store:
        await store.set("a", b"1", ttl=10)
        await store.set_many({"b": b"2", "c": b"3"}, ttl=10)

        await asyncio.sleep(9.999)
        assert await store.get("a") == b"1"
        assert await store.ttl("a") == pytest.approx(0.001, abs=1e-5)
        await asyncio.sleep(0.002)

        assert await store.get("a") is None
        assert await store.get_many(["a", "b", "c"]) == (None, None, None)
        assert await store.search("") == ()
        assert await store.ttl("a") is None
        assert not await store.expire("a", 5)


async def test_tells_when_it_expires(kind: str, tmp_path: Path) -> None:
    async with keyvalue(kind, tmp_path) as store:
        wall = store.bound.runtime.wall()
        await store.set("a", b"1", ttl=10)
        await store.set("b", b"2")

        stamped = await store.bound.send(GetStamped("a"))
        assert stamped.value == b"1"
        assert stamped.expires_at == wall + 10
        assert (await store.bound.send(GetStamped("b"))).expires_at is None
        assert (await store.bound.send(GetStamped("c"))).value is None
        assert await store.ttl("b") == math.inf


async def test_a_new_value_has_a_new_expiry(kind: str, tmp_path: Path) -> None:
    async with keyvalue(kind, tmp_path) as store:
        await store.set("a", b"1", ttl=10)
        await store.set("a", b"2")
        await store.set("b", b"1", ttl=10)
        await store.expire("b", None)
        await store.set("c", b"1")
        await store.expire("c", 5)
        await asyncio.sleep(20)

        assert await store.get_many(["a", "b", "c"]) == (b"2", b"1", None)


async def test_compare_and_set(kind: str, tmp_path: Path) -> None:
    async with keyvalue(kind, tmp_path) as store:
        await store.compare_and_set("a", None, b"1", ttl=5)
        with pytest.raises(Conflict):
            await store.compare_and_set("a", None, b"2")
        with pytest.raises(Conflict):
            await store.compare_and_set("a", b"2", b"3")
        await store.compare_and_set("a", b"1", b"2", ttl=5)
        await asyncio.sleep(5)
        await store.compare_and_set("a", None, b"3")

        assert await store.get("a") == b"3"


async def test_append_keeps_the_last_and_the_expiry(kind: str, tmp_path: Path) -> None:
    async with keyvalue(kind, tmp_path) as store:
        assert await store.append("a", {"n": 1}, ttl=10) == 1
        await asyncio.sleep(5)
        assert await store.append("a", 2) == 2
        assert await store.append("a", "ä", keep_last=2) == 2
        assert await store.get("a") == '[2,"ä"]'.encode()
        await asyncio.sleep(5)

        assert await store.append("a", 3) == 1
        assert await store.ttl("a") == math.inf


async def test_append_with_the_same_idempotency_key_happens_once(kind: str, tmp_path: Path) -> None:
    async with keyvalue(kind, tmp_path) as store:
        assert await store.append("a", 1, idempotency="x") == 1
        assert await store.append("a", 2, idempotency="y") == 2
        assert await store.append("a", 1, idempotency="x") == 1

        assert await store.get("a") == b"[1,2]"


async def test_what_is_no_list_or_number_stays_as_it_was(kind: str, tmp_path: Path) -> None:
    async with keyvalue(kind, tmp_path) as store:
        await store.set("a", b"{}")
        with pytest.raises(Invalid):
            await store.append("a", 1, idempotency="x")
        with pytest.raises(Invalid):
            await store.increment("a")

        assert await store.get("a") == b"{}"


async def test_increments_with_the_expiry_of_the_first(kind: str, tmp_path: Path) -> None:
    async with keyvalue(kind, tmp_path) as store:
        assert await store.increment("a", ttl=10) == 1
        await asyncio.sleep(6)
        assert await store.increment("a", -5) == -4
        assert await store.get("a") == b"-4"
        await asyncio.sleep(4)

        assert await store.increment("a", 2) == 2


async def test_concurrent_writes_lose_nothing(kind: str, tmp_path: Path) -> None:
    async with keyvalue(kind, tmp_path) as store:
        counts = await asyncio.gather(*(store.increment("n") for _ in range(50)))
        await asyncio.gather(*(store.append("l", n) for n in range(50)))

        assert sorted(counts) == list(range(1, 51))
        assert await store.append("l", 0) == 51


async def test_scans_by_pages_in_order(kind: str, tmp_path: Path) -> None:
    keys = ["a", "a\ud7ff", "a\ue000", "a😀", "a\U0010ffff", "a\U0010ffffz", "ab", "b", "A", "%"]
    keys.append("\U0010ffff")
    async with keyvalue(kind, tmp_path) as store:
        for key in keys:
            await store.set(key, b"")

        for prefix in ("", "a", "a\ud7ff", "a\U0010ffff", "\U0010ffff", "b", "c", "%", "_"):
            expected = sorted(key for key in keys if key.startswith(prefix))
            assert [key async for key in store.scan(prefix, limit=2)] == expected
        assert (await store.bound.send(Scan("a", cursor="b"))).items == ()
        assert (await store.bound.send(Scan("a", cursor="A"))).items[0] == "a"


async def test_a_scan_goes_on_while_keys_come_and_go(kind: str, tmp_path: Path) -> None:
    async with keyvalue(kind, tmp_path) as store:
        for name in "abcdef":
            await store.set(name, b"")
        first = await store.bound.send(Scan(limit=2))
        await store.delete("b")
        await store.set("aa", b"")
        await store.set("d2", b"")

        rest = await store.bound.send(Scan(cursor=first.next))

        assert first.items + rest.items == ("a", "b", "c", "d", "d2", "e", "f")


async def test_an_enormous_page_is_no_error(kind: str, tmp_path: Path) -> None:
    async with keyvalue(kind, tmp_path) as store:
        await store.set("a", b"")

        assert await store.search("", limit=10**30) == ("a",)


async def test_many_at_once(kind: str, tmp_path: Path) -> None:
    async with keyvalue(kind, tmp_path) as store:
        await store.set_many({f"k{n}": b"%d" % n for n in range(1000)})

        found = await store.get_many([f"k{n}" for n in range(1001)])

        assert found[:1000] == tuple(b"%d" % n for n in range(1000))
        assert found[1000] is None
        await store.set_many({})
        assert await store.get_many([]) == ()


async def test_check_succeeds(kind: str, tmp_path: Path) -> None:
    async with keyvalue(kind, tmp_path) as store:
        await store.check()
