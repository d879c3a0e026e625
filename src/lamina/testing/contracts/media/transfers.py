"""Ranges and uploads: right to the byte, visible all at once or not at all."""

from __future__ import annotations

import asyncio
from typing import final

import pytest

from lamina.domains.media import (
    PART,
    Abort,
    Begin,
    Finish,
    Head,
    ListObjects,
    Media,
    Put,
    PutPart,
    ReadRange,
)
from lamina.errors import Conflict, Invalid, StorageError
from lamina.testing.contracts.backend import BackendContract


class TransferredMedia(BackendContract[Media]):
    """Large objects, in parts."""

    @pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART + 12_345])
    async def test_keeps_every_byte_at_any_size(self, size: int) -> None:
        async with self.opened(ReadRange, Put, Begin, PutPart, Finish) as store:
            data = _bytes(size)
            await store.set("a", data)
            assert await store.get("a") == data
            await store.set("b", _Source(data))
            assert await store.get("b") == data
            info = await store.head("b")
            assert info is not None
            assert info.size == size

    async def test_reads_any_range(self) -> None:
        async with self.opened(ReadRange, Put) as store:
            data = _bytes(1000)
            await store.set("a", data)
            for start, length in [(0, 1), (0, 1000), (10, 5), (999, 10), (1000, 1), (5000, 1)]:
                assert await store.range("a", start, length) == data[start : start + length]
            with pytest.raises(Invalid):
                await store.range("a", -1, 1)
            with pytest.raises(Invalid):
                await store.range("a", 0, 0)

    async def test_reads_one_version_of_an_object(self) -> None:
        async with self.opened(ReadRange, Put, Head) as store:
            await store.set("a", _bytes(1000))
            reader = await store.open_reader("a")
            assert reader is not None
            assert await reader.read(10) == _bytes(1000)[:10]
            await store.set("a", b"other")
            with pytest.raises(Conflict):
                await reader.read(10)
            reader = await store.open_reader("a")
            assert reader is not None
            await store.delete("a")
            with pytest.raises(Conflict):
                await reader.read()

    async def test_shows_an_upload_only_when_it_is_finished(self) -> None:
        async with self.opened(Begin, PutPart, Finish, Head, ListObjects) as store:
            await store.set("a", b"old")
            upload = await store.bound.send(Begin("a", "text/plain"))
            etags = [
                await store.bound.send(PutPart("a", upload, number, bytes([number]) * PART))
                for number in (1, 2)
            ]
            etags.append(await store.bound.send(PutPart("a", upload, 3, b"end")))
            assert await store.get("a") == b"old"
            assert [info.size for info in await store.search("")] == [3]
            info = await store.bound.send(Finish("a", upload, tuple(etags)))
            assert (info.size, info.type) == (2 * PART + 3, "text/plain")
            assert await store.get("a") == b"\1" * PART + b"\2" * PART + b"end"

    async def test_forgets_an_upload_that_is_aborted(self) -> None:
        async with self.opened(Begin, PutPart, Finish, Abort) as store:
            upload = await store.bound.send(Begin("a"))
            etag = await store.bound.send(PutPart("a", upload, 1, b"1"))
            assert await store.bound.send(Abort("a", upload)) is True
            assert await store.bound.send(Abort("a", upload)) is False
            with pytest.raises(StorageError):
                await store.bound.send(Finish("a", upload, (etag,)))
            assert await store.get("a") is None

    async def test_leaves_nothing_of_an_upload_that_failed(self) -> None:
        async with self.opened(Begin, PutPart, Finish, Abort) as store:
            await store.set("a", b"old")
            with pytest.raises(OSError, match="no more"):
                await store.set("a", _Source(_bytes(2 * PART), fails_at=PART))
            assert await store.get("a") == b"old"
            assert len(await store.search("")) == 1

    async def test_leaves_nothing_of_an_upload_cancelled_half_way(self) -> None:
        async with self.opened(Begin, PutPart, Finish, Abort) as store:
            await store.set("a", b"old")
            source = _Source(_bytes(2 * PART), hangs_at=PART)
            upload = asyncio.ensure_future(store.set("a", source))
            await source.hanging.wait()
            upload.cancel()
            with pytest.raises(asyncio.CancelledError):
                await upload
            assert await store.get("a") == b"old"
            assert len(await store.search("")) == 1
            await store.set("a", b"new")
            assert await store.get("a") == b"new"

    async def test_keeps_what_two_uploads_share_apart(self) -> None:
        async with self.opened(Put, ReadRange) as store:
            same = _bytes(5000)
            await asyncio.gather(*(store.set(f"k{place}", same) for place in range(10)))
            await store.delete("k0")
            for place in range(1, 10):
                assert await store.get(f"k{place}") == same


@final
class _Source:
    """Bytes that fail or hang from some offset on."""

    def __init__(
        self, data: bytes, *, fails_at: int | None = None, hangs_at: int | None = None
    ) -> None:
        self._data = data
        self._fails_at = fails_at
        self._hangs_at = hangs_at
        self.hanging = asyncio.Event()

    async def read(self, start: int, length: int) -> bytes:
        if self._fails_at is not None and start >= self._fails_at:
            msg = "no more"
            raise OSError(msg)
        if self._hangs_at is not None and start >= self._hangs_at:
            self.hanging.set()
            await asyncio.get_running_loop().create_future()
        return self._data[start : start + length]


def _bytes(size: int) -> bytes:
    pattern = b"".join(number.to_bytes(4, "big") for number in range(2048))
    return (pattern * (size // len(pattern) + 1))[:size]
