"""Readers and uploads cancelled half-way, and uploads that race: all or nothing."""

from __future__ import annotations

import asyncio

import pytest

from lamina.domains.media import (
    PART,
    Abort,
    Begin,
    Finish,
    Head,
    Info,
    ListObjects,
    Media,
    Put,
    PutPart,
    ReadRange,
)
from lamina.errors import Conflict
from lamina.testing.contracts.backend import BackendContract
from lamina.testing.contracts.media.conditions import ConditionalMedia
from lamina.testing.sweep import sweep

_BIG = bytes(range(256)) * (PART // 256) + b"end"


class CancelledMedia(BackendContract[Media]):
    """What others see when somebody gives up or comes second."""

    upload_points: int | None = 6
    """At how many places, at most, an upload in parts is cancelled; ``None`` is at all of them."""

    async def unfinished(self) -> int | None:
        """Return how many unfinished uploads the last backend's service holds, if it can tell."""
        return None

    def test_shows_the_old_or_the_new_wherever_an_upload_is_cancelled(self) -> None:
        async def scenario() -> None:
            async with self.store() as store:
                await store.set("a", b"old")
                try:
                    await store.set("a", _BIG)
                finally:
                    (info,) = await store.search("")
                    assert info.size in {3, len(_BIG)}

        sweep(scenario, most=self.upload_points)

    async def test_leaves_no_part_of_an_upload_that_was_cancelled(self) -> None:
        for steps in (1, 3, 6, 12, 24):
            async with self.opened(Begin, PutPart, Finish, Abort, Head) as store:
                upload = asyncio.ensure_future(store.set("a", _BIG))
                for _ in range(steps):
                    await asyncio.sleep(0)
                upload.cancel()
                (told,) = await asyncio.gather(upload, return_exceptions=True)
                found = await store.head("a")
                assert told is None or isinstance(told, asyncio.CancelledError)
                assert found is None or found.size == len(_BIG)
                assert told is not None or found is not None
            assert await self.unfinished() in {None, 0}

    async def test_reads_the_same_bytes_after_a_read_was_cancelled(self) -> None:
        async with self.opened(Head, ReadRange, Put) as store:
            await store.set("a", _BIG)
            for steps in (1, 2, 4, 8, 16):
                reader = await store.open_reader("a")
                assert reader is not None
                assert await reader.read(7) == _BIG[:7]
                reading = asyncio.ensure_future(reader.read())
                for _ in range(steps):
                    await asyncio.sleep(0)
                reading.cancel()
                (told,) = await asyncio.gather(reading, return_exceptions=True)
                if isinstance(told, asyncio.CancelledError):
                    told = await reader.read()
                assert told == _BIG[7:], f"cancelled after {steps} steps"
                assert await reader.read() == b""

    async def test_lets_one_of_two_uploads_make_what_is_absent(self) -> None:
        async with self.opened(Begin, PutPart, Finish, Head, Put, ReadRange) as store:
            if await ConditionalMedia.refused(store):
                return
            uploads = [await store.bound.send(Begin("a")) for _ in range(2)]
            etags = [
                await store.bound.send(PutPart("a", upload, 1, b"%d" % place))
                for place, upload in enumerate(uploads)
            ]
            told = await asyncio.gather(
                *(
                    store.bound.send(Finish("a", upload, (etag,), if_absent=True))
                    for upload, etag in zip(uploads, etags, strict=True)
                ),
                return_exceptions=True,
            )
            assert sorted(type(one).__name__ for one in told) == ["Conflict", "Info"]
            winner = [isinstance(one, Info) for one in told].index(True)
            assert await store.get("a") == b"%d" % winner

    async def test_lets_one_racer_replace_each_version(self) -> None:
        async with self.opened(Put, Head, ReadRange) as store:
            if await ConditionalMedia.refused(store):
                return
            await store.set("a", b"first")
            seen = await store.head("a")
            assert seen is not None
            told = await asyncio.gather(
                *(store.set("a", b"%d" % at, if_etag=seen.etag) for at in range(self.racers)),
                return_exceptions=True,
            )
            winners = [at for at, answer in enumerate(told) if answer is None]
            assert len(winners) == 1
            assert all(isinstance(one, Conflict) for one in told if one is not None)
            assert await store.get("a") == b"%d" % winners[0]
            with pytest.raises(Conflict):
                await store.set("a", b"late", if_etag=seen.etag)

    async def test_lists_every_object_in_the_order_declared(self) -> None:
        async with self.opened(ListObjects, Put) as store:
            keys = [f"k{place * 37 % 40:02}" for place in range(40)]
            for key in keys:
                await store.set(key, b"1")
            for limit in (1, 7, 100):
                found = [info.key async for info in store.scan(limit=limit)]
                self.listed(store, ListObjects, found, keys)
