"""Uploads that meet the end of their store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, final

import pytest
from backends.media_cases import BIG, Slow

from lamina.backends.memory import MemoryMedia
from lamina.domains.media import PART
from lamina.errors import Closed
from lamina.layer import Layer
from lamina.runtime import Runtime
from lamina.stack import Stack

if TYPE_CHECKING:
    from lamina.operation import Handler, Op, R


@final
class Late(Layer):
    """Lets each operation of one name take so many seconds."""

    slot = "chaos"

    def __init__(self, name: str, seconds: float) -> None:
        self.name = name
        self.seconds = seconds

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        if type(op).__name__ == self.name:
            await asyncio.sleep(self.seconds)
        return await inner(op)


async def test_closing_waits_for_an_upload_in_flight() -> None:
    backend = MemoryMedia()
    media = Stack(Late("PutPart", 1.0)).over(backend)
    upload = asyncio.ensure_future(media.set("a", Slow(BIG * 3 + b"x", PART)))
    await asyncio.sleep(0.5)

    await media.close()

    await upload
    assert backend._objects["", "a"].data == BIG * 3 + b"x"
    assert asyncio.get_running_loop().time() == pytest.approx(4.0)


async def test_an_upload_longer_than_the_grace_is_refused_and_leaves_nothing() -> None:
    backend = MemoryMedia()
    media = Stack(Late("PutPart", 3.0)).over(backend, runtime=Runtime(grace=5.0))
    upload = asyncio.ensure_future(media.set("a", Slow(BIG * 3 + b"x", PART)))
    await asyncio.sleep(0.5)

    await media.close()

    with pytest.raises(Closed, match="memory is closed"):
        await upload
    assert not backend._objects


async def test_an_upload_whose_beginning_is_cut_short_by_closing_says_closed() -> None:
    media = Stack(Late("Begin", 60.0)).over(MemoryMedia())
    upload = asyncio.ensure_future(media.set("a", BIG + b"x"))
    await asyncio.sleep(0.5)

    await media.close()

    with pytest.raises(Closed, match="closed before the upload began"):
        await upload
    assert upload.cancelling() == 0
