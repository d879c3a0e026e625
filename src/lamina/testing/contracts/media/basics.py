"""Objects come back as they were stored, under their key and no other."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.domains.media import Erase, Head, HeadMany, ListObjects, Media, Put, ReadRange, Sign
from lamina.errors import Invalid, StorageError, Unsupported
from lamina.testing.clock import run
from lamina.testing.contracts.backend import BackendContract, near
from lamina.testing.contracts.punctual import punctual
from lamina.testing.samples import NAMES, REFUSED
from lamina.values import Done, freeze


class BasicMedia(BackendContract[Media]):
    """Reads, writes, deletes, lists, scopes."""

    domain = "media"

    async def test_keeps_every_name_apart(self) -> None:
        async with self.opened(ReadRange, Put, Erase) as store:
            for place, name in enumerate(NAMES):
                await store.set(name, str(place).encode())
            for place, name in enumerate(NAMES):
                assert await store.get(name) == str(place).encode(), ascii(name)
            for name in NAMES[::2]:
                assert await store.delete(name) is True, ascii(name)
            for place, name in enumerate(NAMES):
                left = str(place).encode() if place % 2 else None
                assert await store.get(name) == left, ascii(name)

    @punctual(0.05)
    async def test_tells_what_it_holds(self) -> None:
        async with self.opened(Head, Put) as store:
            now = store.bound.runtime.wall()
            metadata = {"name": "é/\u202e.png", "n": [1, None]}
            await store.set("a", b"12345", type="image/png", metadata=metadata)
            info = await store.head("a")
            assert info is not None
            assert (info.key, info.size, info.type) == ("a", 5, "image/png")
            assert info.metadata == freeze(metadata)
            assert near(info.modified, now, 0.1)
            mapping: Any = info.metadata
            with pytest.raises(TypeError):
                mapping["n"] = 1
            await store.set("a", b"123456")
            other = await store.head("a")
            assert other is not None
            assert other.etag != info.etag
            assert (other.type, dict(other.metadata)) == ("application/octet-stream", {})

    async def test_tells_the_same_of_an_object_by_each_way(self) -> None:
        async with self.opened(Head, Put, ReadRange, ListObjects) as store:
            told = await store.bound.send(Put("a", b"1", "text/plain"))
            chunk = await store.bound.send(ReadRange("a"))
            assert chunk is not None
            assert await store.head("a") == told == chunk.info
            assert await store.search("a") == (told,)

    async def test_tells_of_many_objects_in_the_order_asked(self) -> None:
        async with self.opened(HeadMany, Head, Put) as store:
            assert await store.head_many([]) == ()
            keys = [f"k{place}" for place in range(40)]
            for place, key in enumerate(keys):
                await store.set(key, b"x" * place, metadata={"n": place})
            await store.set("ключ", b"")
            asked = ["none", "k3", "ключ", "k3", *reversed(keys)]
            alone = [await store.head(key) for key in asked]
            assert await store.head_many(asked) == (*alone,)
            assert await store.head_many(asked, outcomes=True) == (*map(Done, alone),)
            assert await store.delete("k3")
            assert await store.head_many(["k3", "k4"], fresh=True) == (None, await store.head("k4"))
            assert await store.head_many(["none"] * 1100) == (None,) * 1100

    async def test_confines_heads_of_many_to_a_scope(self) -> None:
        async with self.opened(HeadMany, Put) as store:
            await store.scoped("acme").set("a", b"1")
            await store.set("b", b"12")
            for view, wanted in (
                (store, [None, 2]),
                (store.scoped("acme"), [1, None]),
                (store.scoped("acm"), [None, None]),
            ):
                told = await view.head_many(["a", "b"])
                assert [info and info.size for info in told] == wanted

    async def test_refuses_names_that_some_store_could_not_hold(self) -> None:
        async with self.opened(Put, Head) as store:
            for name in REFUSED:
                with pytest.raises(Invalid):
                    await store.set(name, b"1")
                with pytest.raises(Invalid):
                    await store.head(name)
            assert [info.key async for info in store.scan()] == []

    async def test_absent_is_none_or_false(self) -> None:
        async with self.opened(Put, Head, Erase, ReadRange) as store:
            assert await store.get("a") is None
            assert await store.head("a") is None
            assert await store.range("a", 0, 1) is None
            assert await store.open_reader("a") is None
            assert await store.delete("a") is False
            await store.set("a", b"")
            assert await store.get("a") == b""
            assert await store.delete("a") is True
            assert await store.delete("a") is False

    async def test_lists_every_object_at_any_page_size(self) -> None:
        async with self.opened(ListObjects, Put) as store:
            for name in NAMES:
                await store.set(name, b"1")
            for limit in (1, 7, 10_000):
                found = [info.key async for info in store.scan(limit=limit)]
                assert sorted(found) == sorted(NAMES)
            for prefix in ["a", "A", "a_", "a%", "a*", "[", "é", "e", "..", "/", "none", "'"]:
                wanted = sorted(name for name in NAMES if name.startswith(prefix))
                assert sorted([info.key async for info in store.scan(prefix, limit=2)]) == wanted

    async def test_cursors_keep_no_state_in_the_store(self) -> None:
        async with self.opened(ListObjects, Put) as store:
            for place in range(20):
                await store.set(f"k{place:02}", b"1")
            first = await store.bound.send(ListObjects(limit=5))
            if first.next is None:
                return
            again = ListObjects(cursor=first.next, limit=5)
            assert await store.bound.send(again) == await store.bound.send(again)

    async def test_lists_what_stays_while_others_write(self) -> None:
        async with self.opened(ListObjects, Put, Erase) as store:
            stay = {f"k{place:02}" for place in range(0, 40, 2)}
            for key in stay:
                await store.set(key, b"1")
            seen: set[str] = set()
            step = 0
            async for info in store.scan("k", limit=7):
                seen.add(info.key)
                step += 1
                await store.set(f"k{(step * 37) % 40 | 1:02}", b"2")
                await store.delete(f"k{(step * 53) % 40 | 1:02}")
            assert stay <= seen

    async def test_confines_each_scope_to_its_own(self) -> None:
        async with self.opened(ReadRange, Put, Erase, ListObjects) as store:
            pairs = [("", "b"), ("a", "b"), ("a:b", "b"), ("a/", "b"), ("..", "b"), ("é", "b")]
            views = [(store.scoped(scope) if scope else store, key) for scope, key in pairs]
            for place, (view, key) in enumerate(views):
                assert await view.get(key) is None, pairs[place]
                await view.set(key, b"same bytes")
            for place, (view, key) in enumerate(views):
                assert [info.key async for info in view.scan()] == [key], pairs[place]
                assert await view.delete(key) is True
                assert await view.get(key) is None
                for later, name in views[place + 1 :]:
                    assert await later.get(name) == b"same bytes"

    async def test_signs_a_url_of_what_is_there_or_says_that_it_cannot(self) -> None:
        async with self.opened(Put) as store:
            await store.set("a", b"1")
            if Sign not in store.bound.capabilities:
                with pytest.raises(Unsupported):
                    await store.url("a")
                return
            assert "://" in await store.url("a", expires=60)
            with pytest.raises(StorageError):
                await store.url("none")

    def test_may_be_cancelled_anywhere(self) -> None:
        async def scenario() -> None:
            store = self.store()
            async with store:
                await store.set("a", b"1")
                await store.set("a", b"22")
                assert await store.get("a") == b"22"
                await store.search("a")
                await store.delete("a")

        async def afterwards() -> None:
            async with self.opened(Head, Put) as store:
                await store.set("a", b"1")
                assert await store.get("a") == b"1"

        self.cancelled_anywhere(scenario)
        run(afterwards(), timeout_real=self.timeout_real)
