"""Conditional writes: one of many wins, and a condition that does not hold changes nothing."""

from __future__ import annotations

import asyncio

import pytest

from lamina.domains.media import (
    PART,
    Begin,
    Finish,
    Head,
    Media,
    Put,
    PutPart,
    ReadRange,
)
from lamina.errors import Conflict, Invalid, Unsupported
from lamina.testing.contracts.backend import BackendContract


class ConditionalMedia(BackendContract[Media]):
    """Writes only where there is nothing, or in place of one version."""

    @staticmethod
    async def refused(store: Media) -> bool:
        """Tell whether the backend knows no conditions; then it must refuse them before any IO."""
        if store.bound.capabilities.offers(Put, "conditional"):
            return False
        for put in (Put("a", b"1", if_absent=True), Put("a", b"1", if_etag="x")):
            with pytest.raises(Unsupported):
                await store.bound.send(put)
        assert await store.head("a") is None
        return True

    async def test_writes_only_what_is_absent_when_asked(self) -> None:
        async with self.opened(Head, Put, ReadRange) as store:
            if await self.refused(store):
                return
            await store.set("a", b"1", if_absent=True)
            with pytest.raises(Conflict):
                await store.set("a", b"2", if_absent=True)
            assert await store.get("a") == b"1"
            await store.delete("a")
            await store.set("a", b"3", if_absent=True)
            await store.scoped("acme").set("a", b"4", if_absent=True)
            assert await store.get("a") == b"3"

    async def test_replaces_only_the_version_that_was_seen(self) -> None:
        async with self.opened(Head, Put, ReadRange) as store:
            if await self.refused(store):
                return
            with pytest.raises(Conflict):
                await store.set("a", b"1", if_etag="none")
            await store.set("a", b"1")
            seen = await store.head("a")
            assert seen is not None
            await store.set("a", b"2", if_etag=seen.etag)
            with pytest.raises(Conflict):
                await store.set("a", b"3", if_etag=seen.etag)
            assert await store.get("a") == b"2"

    async def test_holds_conditions_of_uploads_in_parts(self) -> None:
        async with self.opened(Begin, PutPart, Finish, Head, Put, ReadRange) as store:
            if await self.refused(store):
                return
            data = bytes(PART) + b"end"
            await store.set("a", data, if_absent=True)
            with pytest.raises(Conflict):
                await store.set("a", data, if_absent=True)
            seen = await store.head("a")
            assert seen is not None
            await store.set("a", data + b"2", if_etag=seen.etag)
            with pytest.raises(Conflict):
                await store.set("a", data, if_etag=seen.etag)
            assert await store.get("a") == data + b"2"

    async def test_refuses_two_conditions_at_once(self) -> None:
        async with self.opened(Put, Head) as store:
            if await self.refused(store):
                return
            with pytest.raises(Invalid):
                await store.set("a", b"1", if_absent=True, if_etag="x")
            assert await store.head("a") is None

    async def test_lets_one_racer_write_what_is_absent(self) -> None:
        async with self.opened(Put, ReadRange, Head) as store:
            if await self.refused(store):
                return
            told = await asyncio.gather(
                *(store.set("a", b"%d" % at, if_absent=True) for at in range(self.racers)),
                return_exceptions=True,
            )
            winners = [at for at, answer in enumerate(told) if answer is None]
            assert len(winners) == 1
            assert all(isinstance(one, Conflict) for one in told if one is not None)
            assert await store.get("a") == b"%d" % winners[0]

    async def test_takes_a_conflict_with_its_own_first_try_for_success(self) -> None:
        async with self.opened(Put, ReadRange, Head) as store:
            if await self.refused(store):
                return
            put = Put("a", b"mine", "text/plain", if_absent=True)
            told = await store.bound.send(put)
            with pytest.raises(Conflict) as caught:
                await store.bound.send(put)
            assert await put.settle(caught.value, store.bound.send) == told
            other = Put("a", b"other", "text/plain", if_absent=True)
            with pytest.raises(Conflict):
                await other.settle(caught.value, store.bound.send)
