"""Listings are complete, whatever the page size and whoever writes meanwhile."""

from __future__ import annotations

from lamina.domains.keyvalue import Delete, KeyValue, Scan, Set
from lamina.testing.contracts.backend import BackendContract
from lamina.testing.samples import NAMES


class ScannedKeyValue(BackendContract[KeyValue]):
    """Scans."""

    async def test_lists_every_key_at_any_page_size(self) -> None:
        async with self.opened(Scan, Set) as store:
            for name in NAMES:
                await store.set(name, b"1")
            for limit in (1, 7, len(NAMES), 10_000):
                self.listed(store, Scan, [key async for key in store.scan(limit=limit)], NAMES)

    async def test_lists_only_keys_that_begin_with_the_prefix(self) -> None:
        async with self.opened(Scan, Set) as store:
            for name in NAMES:
                await store.set(name, b"1")
            for prefix in ["a", "A", "a_", "a%", "a*", "[", "é", "e", "..", "x", "\\", "none", "'"]:
                wanted = [name for name in NAMES if name.startswith(prefix)]
                self.listed(store, Scan, [key async for key in store.scan(prefix, limit=2)], wanted)
            for name in NAMES:
                assert name in await store.search(name, limit=100), ascii(name)

    async def test_lists_nothing_of_an_empty_store(self) -> None:
        async with self.opened(Scan) as store:
            page = await store.bound.send(Scan())
            assert (page.items, page.next) == ((), None)
            assert await store.search("a") == ()

    async def test_cursors_keep_no_state_in_the_store(self) -> None:
        async with self.opened(Scan, Set) as store:
            for place in range(20):
                await store.set(f"k{place:02}", b"1")
            first = await store.bound.send(Scan(limit=5))
            if first.next is None:
                return
            twice = [await store.bound.send(Scan(cursor=first.next, limit=5)) for _ in range(2)]
            assert twice[0] == twice[1]
            await store.bound.send(Scan(limit=3))  # abandoned
            assert await store.bound.send(Scan(cursor=first.next, limit=5)) == twice[0]

    async def test_lists_what_stays_while_others_write(self) -> None:
        async with self.opened(Scan, Set, Delete) as store:
            stay = [f"k{place:03}" for place in range(0, 100, 2)]
            for key in stay:
                await store.set(key, b"1")
            seen: list[str] = []
            cursor: str | None = None
            for step in range(10_000):
                page = await store.bound.send(Scan("k", cursor, 7))
                seen += page.items
                await store.set(f"k{(step * 37) % 100 | 1:03}", b"2")
                await store.delete(f"k{(step * 53) % 100 | 1:03}")
                cursor = page.next
                if cursor is None:
                    break
            assert cursor is None
            assert set(stay) <= set(seen)
