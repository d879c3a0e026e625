"""Appends, counters and conditional writes: nothing lost, nothing done twice."""

from __future__ import annotations

import asyncio
import json

import pytest

from lamina.domains.keyvalue import Append, CompareAndSet, Get, Increment, KeyValue, Set
from lamina.errors import Conflict, Invalid
from lamina.testing.contracts.backend import BackendContract


class AtomicKeyValue(BackendContract[KeyValue]):
    """Operations that read and write at once."""

    async def test_loses_no_append_among_racers(self) -> None:
        async with self.opened(Append, Get) as store:
            lengths = await asyncio.gather(
                *(store.append("a", {"n": place}) for place in range(self.racers))
            )
            assert sorted(lengths) == list(range(1, self.racers + 1))
            found = json.loads(await store.get("a") or b"")
            assert sorted(item["n"] for item in found) == list(range(self.racers))

    async def test_appends_several_items_all_at_once(self) -> None:
        async with self.opened(Append, Get) as store:
            await asyncio.gather(*(store.extend("a", [place] * 3) for place in range(self.racers)))
            found: list[int] = json.loads(await store.get("a") or b"")
            assert len(found) == 3 * self.racers
            for start in range(0, len(found), 3):
                assert len(set(found[start : start + 3])) == 1

    async def test_appends_once_for_one_idempotency_key(self) -> None:
        async with self.opened(Append, Get) as store:
            if not store.bound.capabilities.offers(Append, "idempotency"):
                pytest.skip("it does not say that it knows idempotency keys")
            lengths = await asyncio.gather(
                *(store.append("a", 1, idempotency="once") for _ in range(self.racers))
            )
            assert lengths == [1] * self.racers
            assert await store.append("a", 2, idempotency="twice") == 2
            assert await store.append("a", 1, idempotency="once") == 1
            assert await store.append("b", 1, idempotency="once") == 1
            assert await store.scoped("acme").append("a", 1, idempotency="once") == 1
            assert json.loads(await store.get("a") or b"") == [1, 2]

    async def test_keeps_the_last_items_only_when_asked(self) -> None:
        async with self.opened(Append, Get) as store:
            for place in range(10):
                length = await store.append("a", place, keep_last=3)
                assert length == min(place + 1, 3)
            assert json.loads(await store.get("a") or b"") == [7, 8, 9]
            assert await store.append("a", "ж\u2028") == 4

    @pytest.mark.parametrize("stored", [b"", b"text", b"{}", b"1", b"\xff", b"[1"])
    async def test_refuses_to_append_to_what_is_no_list(self, stored: bytes) -> None:
        async with self.opened(Append, Get, Set) as store:
            await store.set("a", stored)
            with pytest.raises(Invalid):
                await store.append("a", 1)
            assert await store.get("a") == stored

    async def test_loses_no_increment_among_racers(self) -> None:
        async with self.opened(Increment, Get) as store:
            told = await asyncio.gather(*(store.increment("a", 2) for _ in range(self.racers)))
            assert sorted(told) == [2 * (place + 1) for place in range(self.racers)]
            assert await store.increment("a", -2 * self.racers) == 0
            assert await store.increment("a", -5) == -5
            assert await store.get("a") == b"-5"

    @pytest.mark.parametrize("stored", [b"", b"text", b"1.5", b"1e3", b" 1", b"9" * 30, b"\xff"])
    async def test_refuses_to_count_what_is_no_integer(self, stored: bytes) -> None:
        async with self.opened(Increment, Get, Set) as store:
            await store.set("a", stored)
            with pytest.raises(Invalid):
                await store.increment("a")
            assert await store.get("a") == stored

    async def test_refuses_to_count_beyond_64_bits(self) -> None:
        async with self.opened(Increment, Set, Get) as store:
            await store.set("a", str(2**63 - 1).encode())
            with pytest.raises(Invalid):
                await store.increment("a")
            assert await store.get("a") == str(2**63 - 1).encode()

    async def test_lets_one_racer_win_a_conditional_write(self) -> None:
        async with self.opened(CompareAndSet, Get) as store:
            told = await asyncio.gather(
                *(
                    store.compare_and_set("a", None, str(place).encode())
                    for place in range(self.racers)
                ),
                return_exceptions=True,
            )
            winners = [place for place, answer in enumerate(told) if answer is None]
            assert len(winners) == 1
            assert all(isinstance(answer, Conflict) for answer in told if answer is not None)
            assert await store.get("a") == str(winners[0]).encode()

    async def test_loses_no_update_made_by_conditional_writes(self) -> None:
        async with self.opened(CompareAndSet, Get) as store:
            racers = min(self.racers, 12)

            async def add() -> None:
                while True:
                    found = await store.get("a", fresh=True)
                    try:
                        await store.compare_and_set("a", found, str(int(found or 0) + 1).encode())
                    except Conflict:
                        continue
                    return

            await asyncio.gather(*(add() for _ in range(racers)))
            assert await store.get("a") == str(racers).encode()

    async def test_writes_nothing_on_a_conflict(self) -> None:
        async with self.opened(CompareAndSet, Get, Set) as store:
            with pytest.raises(Conflict):
                await store.compare_and_set("a", b"", b"1")
            assert await store.get("a") is None
            await store.set("a", b"")
            with pytest.raises(Conflict):
                await store.compare_and_set("a", None, b"1")
            await store.compare_and_set("a", b"", b"1")
            await store.compare_and_set("a", b"1", b"1")
            with pytest.raises(Conflict):
                await store.scoped("acme").compare_and_set("a", b"1", b"2")
            assert await store.get("a") == b"1"
