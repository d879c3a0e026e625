"""Sealed objects: any range, parts, conditions; and nothing but what was stored or Corrupt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.layers.mutants import mutant

from lamina.backends.memory import MemoryMedia
from lamina.domains.media import (
    PART,
    Abort,
    Begin,
    Chunk,
    Finish,
    Head,
    Info,
    Media,
    Put,
    PutPart,
    ReadRange,
)
from lamina.errors import Conflict, Corrupt, Invalid, StorageError, Unavailable, Unsupported
from lamina.layers.retry import Retry
from lamina.layers.seal import Seal, frames, media
from lamina.stack import Stack
from lamina.testing.scripted import ScriptedMedia
from lamina.values import Json

KEY = Seal.new_key()
SMALL = 4
"""Bytes in a frame, where all ranges are tried."""


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


def shrink(monkeypatch: pytest.MonkeyPatch, module: Any = media) -> None:
    for place in (frames, module):
        monkeypatch.setitem(place.__dict__, "FRAME", SMALL)
        monkeypatch.setitem(place.__dict__, "SEALED", SMALL + frames.OVERHEAD)
    monkeypatch.setitem(module.__dict__, "PART", 2 * SMALL)


def over(backend: MemoryMedia, *keys: str, allow_plain: bool = False) -> Media:
    return Stack(Seal(list(keys or [KEY]), allow_plain=allow_plain)).over(backend)


def stored(backend: MemoryMedia, key: str = "a") -> Any:
    return backend._objects["", key]


def put_back(backend: MemoryMedia, data: bytes, key: str = "a") -> None:
    """Change the bytes in the backend, as somebody with its credentials may."""
    old = stored(backend, key)
    backend._objects["", key] = replace(
        old, data=data, info=replace(old.info, key=key, size=len(data))
    )


async def upload(store: Media, parts: list[bytes], **condition: Any) -> Info:
    name = await store.bound.send(Begin("a", "text/plain", Json.of({"n": 1})))
    etags = [
        await store.bound.send(PutPart("a", name, number, part))
        for number, part in enumerate(parts, 1)
    ]
    info: Info = await store.bound.send(Finish("a", name, tuple(etags), **condition))
    return info


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("size", range(14))
async def test_gives_every_range_of_every_size(size: int) -> None:
    store = over(MemoryMedia())
    data = bytes(range(size))
    await store.set("a", data)

    for start in range(size + 6):
        for length in range(1, size + 6):
            chunk = await store.bound.send(ReadRange("a", start, length))
            assert chunk is not None
            assert chunk.data == data[start : start + length], (start, length)
            assert chunk.info.size == size


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("size", range(20))
async def test_gives_every_range_of_what_came_in_parts(size: int) -> None:
    store = over(MemoryMedia())
    data = bytes(range(size))
    info = await upload(store, [data[at : at + 8] for at in range(0, size, 8)])

    assert (info.size, info.type, dict(info.metadata)) == (size, "text/plain", {"n": 1})
    assert await store.head("a") == info
    for start in range(size + 2):
        assert await store.range("a", start, 5) == data[start : start + 5]
        assert await store.range("a", start, size + 9) == data[start:]


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("size", [0, 3, 4, 8, 11])
async def test_every_cut_of_an_object_is_noticed_by_whoever_reads_to_its_end(size: int) -> None:
    await check_cuts(size)


async def check_all_cuts() -> None:
    for size in (0, 3, 4, 8, 11):
        await check_cuts(size)


async def check_cuts(size: int) -> None:
    backend = MemoryMedia()
    store = over(backend)
    await store.set("a", bytes(range(size)))
    whole = stored(backend).data

    for cut in range(len(whole)):
        put_back(backend, whole[:cut])
        with pytest.raises(Corrupt):
            await store.get("a")
        with pytest.raises(Corrupt):
            await read_all(store)
        with pytest.raises(Corrupt):
            await store.range("a", 100, 1)
    put_back(backend, whole)
    assert await store.get("a") == bytes(range(size))


async def read_all(store: Media) -> bytes:
    reader = await store.open_reader("a")
    assert reader is not None
    return await reader.read()


@pytest.mark.usefixtures("_small")
async def test_every_changed_byte_is_noticed() -> None:
    backend = MemoryMedia()
    store = over(backend)
    await store.set("a", b"0123456789")
    whole = stored(backend).data

    for at in range(len(whole)):
        put_back(backend, whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(Corrupt):
            await store.get("a")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(end >= info.size and after <= last) or first > last", "first > last"),
        ("or first > last", ""),
        ("if plain.size or plain is info:", "if True:"),
    ],
    ids=["the end of full frames", "past the end", "empty"],
)
async def test_a_reader_that_does_not_look_at_the_end_is_found_out(
    old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lamina.layers.seal.codecs import Sealed

    module = mutant(media, old, new)
    shrink(monkeypatch, module)
    monkeypatch.setattr(Sealed, "way", staticmethod(lambda domain: module.SealedMedia))

    with pytest.raises(pytest.fail.Exception):
        await check_all_cuts()


@pytest.mark.usefixtures("_small")
async def test_asks_the_backend_no_more_than_it_must() -> None:
    backend = MemoryMedia()
    store = over(backend)
    await store.set("a", bytes(10))
    asked: list[ReadRange] = []
    real = MemoryMedia.read_range

    async def counted(self: MemoryMedia, op: ReadRange) -> Any:
        asked.append(op)
        return await real(self, op)

    backend.read_range = counted.__get__(backend)  # type: ignore[method-assign]
    await over(backend).range("a", 5, 2)
    await over(backend).range("a", 0, 100)

    step = SMALL + frames.OVERHEAD
    assert [(op.start, op.length) for op in asked] == [(step, step), (0, 25 * step)]


async def test_moved_swapped_and_old_parts_are_noticed() -> None:
    backend = MemoryMedia()
    store = over(backend)
    await store.set("a", b"1" * 100_000)
    first = stored(backend)
    await store.set("a", b"2" * 100_000)
    second = stored(backend)
    await store.set("b", b"3")

    backend._objects["", "b"] = replace(second, info=replace(second.info, key="b"))
    with pytest.raises(Corrupt):
        await store.get("b")
    backend._objects["acme", "a"] = second
    with pytest.raises(Corrupt):
        await store.scoped("acme").get("a")
    put_back(backend, first.data[:65576] + second.data[65576:])
    with pytest.raises(Corrupt):
        await store.get("a")
    backend._objects["", "a"] = second
    assert await store.get("a") == b"2" * 100_000


@pytest.mark.parametrize("mark", [None, 1, "", "1.2", "1.x.y", "2" + ".00" * 2, {"a": 1}])
async def test_a_mark_that_was_changed_is_corrupt(mark: Any) -> None:
    backend = MemoryMedia()
    store = over(backend)
    await store.set("a", b"1")
    old = stored(backend)
    backend._objects["", "a"] = replace(
        old, info=replace(old.info, metadata={"lamina.sealed": mark})
    )

    with pytest.raises(Corrupt):
        await store.get("a")


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("missing", [1, SMALL + frames.OVERHEAD])
async def test_a_range_that_was_cut_on_its_way_is_corrupt(missing: int) -> None:
    backend = MemoryMedia()
    await over(backend).set("a", b"0123456789abcdef")
    whole = stored(backend)
    cut = ScriptedMedia()
    answer = Chunk(whole.data[: 2 * (SMALL + frames.OVERHEAD) - missing], whole.info)
    cut.expect(ReadRange).returns(answer)

    with pytest.raises(Corrupt, match="a range of a sealed object is cut off"):
        await Stack(Seal(KEY)).over(cut).range("a", 0, 2 * SMALL)


async def test_a_listing_with_a_cut_object_tells_which() -> None:
    backend = MemoryMedia()
    store = over(backend)
    await store.set("a", b"1")
    await store.set("b", b"2")
    put_back(backend, b"x", "b")

    with pytest.raises(Corrupt, match="cut off") as caught:
        await store.search("")
    assert caught.value.__notes__ == ["it is 'b'"]
    assert await store.delete("b") is True
    assert len(await store.search("")) == 1


async def test_objects_of_an_old_key_are_read_and_written_anew() -> None:
    backend, other = MemoryMedia(), Seal.new_key()
    await over(backend).set("a", b"1", type="text/plain", metadata={"n": 1})
    store = over(backend, other, KEY)

    info = await store.head("a")
    data = await store.get("a")
    assert info is not None
    assert data is not None
    await store.set("a", data, type=info.type, metadata=info.metadata, if_etag=info.etag)

    assert await over(backend, other).get("a") == b"1"
    with pytest.raises(Corrupt, match="key"):
        await over(backend, KEY).get("a")
    with pytest.raises(Conflict):
        await store.set("a", b"2", if_etag=info.etag)


async def test_what_is_not_sealed_is_refused_unless_allowed() -> None:
    backend = MemoryMedia()
    await Stack().over(backend).set("a", bytes(range(100)))

    with pytest.raises(Corrupt, match="not sealed"):
        await over(backend).range("a", 50, 10)
    store = over(backend, allow_plain=True)
    assert await store.range("a", 50, 10) == bytes(range(50, 60))
    assert await store.get("a") == bytes(range(100))
    assert (await over(backend).head("a")) == (await Stack().over(backend).head("a"))
    await Stack().over(backend).set("b", b"")
    assert [info.size for info in await over(backend).search("")] == [100, 0]
    assert (await over(backend).head("b")) == (await Stack().over(backend).head("b"))


async def test_gives_no_url_which_would_give_what_is_sealed() -> None:
    with pytest.raises(Unsupported, match=r"taken away by Seal\(\(<key"):
        await Stack(Seal(KEY)).over(ScriptedMedia()).url("a")


async def test_refuses_the_name_that_it_marks_objects_with() -> None:
    store = over(MemoryMedia())

    with pytest.raises(Invalid, match=r"lamina\.sealed"):
        await store.set("a", b"1", metadata={"lamina.sealed": "x"})
    with pytest.raises(Invalid):
        await store.bound.send(Begin("a", metadata=Json.of([1])))


@pytest.mark.usefixtures("_small")
async def test_refuses_parts_that_it_could_not_read_by_ranges() -> None:
    backend = MemoryMedia()
    store = over(backend)
    name = await store.bound.send(Begin("a"))
    short = await store.bound.send(PutPart("a", name, 1, b"123"))
    full = await store.bound.send(PutPart("a", name, 2, b"12345678"))

    with pytest.raises(Invalid, match="every part but the last"):
        await store.bound.send(Finish("a", name, (short, full)))
    with pytest.raises(Invalid, match="every part but the last"):
        await store.bound.send(Finish("a", name, ("x", full)))
    with pytest.raises(Invalid, match="at most 8 bytes"):
        await store.bound.send(PutPart("a", name, 1, b"123456789"))
    assert await store.get("a") is None
    assert await store.bound.send(Abort("a", name)) is True
    assert await store.bound.send(Abort("a", name)) is False


@pytest.mark.parametrize("name", ["upload", "1.2.3", "1.2.3.4", "...", "1.ff.ff.upload"])
async def test_refuses_an_upload_that_it_did_not_begin(name: str) -> None:
    store = over(MemoryMedia())

    with pytest.raises(StorageError):
        await store.bound.send(PutPart("a", name, 1, b"1"))
    with pytest.raises(StorageError):
        await store.bound.send(Finish("a", name, ("x.last",)))
    assert await store.bound.send(Abort("a", name)) is False


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("parts", [[b"12345678"], [b"12345678", b"1"], []])
async def test_finishing_again_gives_the_same_answer(parts: list[bytes]) -> None:
    store = over(MemoryMedia())
    name = await store.bound.send(Begin("a"))
    etags = tuple(
        [
            await store.bound.send(PutPart("a", name, number, part))
            for number, part in enumerate(parts, 1)
        ]
    )
    finish = Finish("a", name, etags)

    told = await store.bound.send(finish)

    assert await store.bound.send(finish) == told
    await store.set("a", b"written since")
    with pytest.raises(Invalid):
        await store.bound.send(finish)


@pytest.mark.usefixtures("_small")
async def test_a_part_written_again_takes_the_place_of_the_first() -> None:
    store = over(MemoryMedia())
    name = await store.bound.send(Begin("a"))
    await store.bound.send(PutPart("a", name, 1, b"old part"))
    etag = await store.bound.send(PutPart("a", name, 1, b"new part"))
    last = await store.bound.send(PutPart("a", name, 2, b"end"))

    await store.bound.send(Finish("a", name, (etag, last)))

    assert await store.get("a") == b"new partend"


async def test_a_write_whose_answer_was_lost_is_known_by_its_bytes() -> None:
    backend = MemoryMedia()
    store = Stack(Seal(KEY), Retry()).over(losing_an_answer(backend))

    await store.set("a", b"1", if_absent=True)

    assert await store.get("a") == b"1"


def losing_an_answer(backend: MemoryMedia) -> MemoryMedia:
    real = backend.put
    lost: list[int] = []

    async def put(op: Put) -> Info:
        info = await real(op)
        if not lost:
            lost.append(1)
            raise Unavailable(sent="maybe")
        return info

    backend.put = put  # type: ignore[method-assign]
    return backend


async def test_a_large_object_in_parts_keeps_its_bytes_and_size() -> None:
    store = over(MemoryMedia())
    data = bytes(range(256)) * (2 * PART // 256)
    await store.set("a", data)

    info = await store.bound.send(Head("a"))
    assert info is not None
    assert info.size == len(data)
    assert await store.get("a") == data
    assert await store.range("a", PART - 3, 6) == data[PART - 3 : PART + 3]
