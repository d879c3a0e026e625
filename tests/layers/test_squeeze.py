"""Squeeze: smaller where it can be, the same content always, and never more than *most*."""

from __future__ import annotations

import asyncio
import json
import zlib
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.layers.mutants import mutant

from lamina.backends.memory import MemoryDocuments, MemoryKeyValue, MemoryMedia, MemoryVectors
from lamina.domains.documents import Documents, Find, Write
from lamina.domains.keyvalue import Get, GetStampedMany, KeyValue, Scan
from lamina.domains.media import Put, Sign
from lamina.domains.vectors import Upsert
from lamina.errors import Corrupt, StackError, Unsupported
from lamina.layers.seal import Seal
from lamina.layers.squeeze import Squeeze, SqueezeStatus, core
from lamina.layers.squeeze.codecs import Squeezed
from lamina.layers.squeeze.core import MAGIC, Squeezer
from lamina.stack import Stack
from lamina.testing.contracts import LayerContract
from lamina.testing.scripted import ScriptedDocuments, ScriptedMedia, ScriptedVectors
from lamina.testing.sweep import sweep
from lamina.values import Done, Stamped

MIB = 1024 * 1024
TEXT = "lamina:squeezed:1:"
PLACE = ("keyvalue", "", "a")


class TestSqueezeOfLittle(LayerContract):
    """What is small passes as it is."""

    def layer(self) -> Squeeze:
        return Squeeze()


def over(backend: Any, **options: Any) -> Any:
    return Stack(Squeeze(**options)).over(backend)


def raw(backend: MemoryKeyValue, key: str = "a") -> bytes:
    return backend._values["", key][0]


def squeezer(module: Any = core, least: int = 1, level: int = 6, most: int = MIB) -> Squeezer:
    made: Squeezer = module.Squeezer(least=least, level=level, most=most)
    return made


@pytest.mark.parametrize("value", [-1, 1.5, True, "5", None, float("nan"), float("inf"), [1]])
@pytest.mark.parametrize(
    ("name", "told"), [("least", "from 0"), ("level", "from 1 to 9"), ("most", "from 1 to 4")]
)
def test_refuses_an_option_out_of_its_range(name: str, told: str, value: Any) -> None:
    with pytest.raises(StackError, match=f"Squeeze: {name} must be a whole number {told}"):
        Squeeze(**{name: value})


@pytest.mark.parametrize(
    "options", [{"level": 0}, {"level": 10}, {"most": 0}, {"most": 2**32 + 1}, {"most": 1023}]
)
def test_refuses_options_beyond_their_ends_or_against_each_other(options: Any) -> None:
    with pytest.raises(StackError, match="Squeeze: "):
        Squeeze(**options)


def test_shows_its_options() -> None:
    assert repr(Squeeze()) == "Squeeze()"
    assert repr(Squeeze(least=1, level=9, most=5)) == "Squeeze(least=1, level=9, most=5)"


async def test_makes_large_values_smaller_and_lets_small_ones_be() -> None:
    backend = MemoryKeyValue()
    store = over(backend)
    await store.set("small", b"x" * 1023)
    await store.set("large", b"x" * 1024)

    assert raw(backend, "small") == b"x" * 1023
    assert len(raw(backend, "large")) < 60
    assert await store.get_many(["small", "large"]) == (b"x" * 1023, b"x" * 1024)
    layer = store.bound.layer(Squeeze)
    told = layer.status()
    assert told == SqueezeStatus(squeezed=1, kept=1, given=1024, stored=told.stored, refused=0)


async def test_what_cannot_be_made_smaller_stays_as_it_is() -> None:
    import random

    backend = MemoryKeyValue()
    data = random.Random(0).randbytes(5000)
    store = over(backend)
    await store.set("a", data)

    assert raw(backend) is data
    assert await store.get("a") is data


async def test_reads_what_was_written_before_it_was_there_and_appends_to_it() -> None:
    backend = MemoryKeyValue()
    plain = Stack().over(backend)
    await plain.set("a", b"[" + b"1," * 2000 + b"1]")
    await plain.set("b", b"41")
    store = over(backend)

    assert await store.append("a", 2) == 2002
    assert await store.increment("b") == 42
    assert json.loads(await store.get("a"))[-2:] == [1, 2]
    assert raw(backend).startswith(MAGIC)


HOSTILE = [
    *(MAGIC, MAGIC + b"\0", MAGIC + b"\1" * 50, MAGIC + b"x" * 2000, MAGIC * 200, MAGIC[:-1]),
    MAGIC + b"\1\0\0" + (5).to_bytes(8, "big") + zlib.compress(b"fives"),
    MAGIC + b"\0\0\0" + (5).to_bytes(8, "big") + b"fives",
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("least", [1, 100_000])
async def test_content_that_looks_squeezed_comes_back_as_it_was_given(
    data: bytes, least: int
) -> None:
    backend = MemoryKeyValue()
    store = over(backend, least=least, most=100_000)
    await store.set("a", data)
    await store.set_many({"b": data})

    assert await store.get_many(["a", "b"]) == (data, data)
    stamped = await store.bound.send(GetStampedMany(("a", "b", "none")))
    assert stamped == (*map(Done, map(Stamped, (data, data, None))),)
    await store.compare_and_set("a", data, b"new")
    assert await store.get("a") == b"new"


@pytest.mark.parametrize("text", ["", TEXT, TEXT + "AAAA", TEXT * 200, "é" * 5000, "\u202e"])
async def test_text_that_looks_squeezed_comes_back_as_it_was_given(text: str) -> None:
    store: Documents = over(MemoryDocuments())
    await store.set("a", text)
    await store.set_at("/p", text)
    await store.set_many([Write("c", text)])

    read = [await store.get("a"), await store.by_path("/p"), *await store.get_many(["c"])]
    assert [one and one.content for one in read] == [text] * 3


def bomb(size: int, told: int | None = None) -> bytes:
    body = zlib.compress(bytes(size), 9)
    return MAGIC + b"\1\0\0" + (size if told is None else told).to_bytes(8, "big") + body


@pytest.mark.parametrize("told", [None, 5, 0, MIB, 2**64 - 1])
async def test_a_bomb_is_corrupt_and_does_not_go_off(told: int | None) -> None:
    import tracemalloc

    backend = MemoryKeyValue()
    await Stack().over(backend).set("a", bomb(64 * MIB, told))
    store = over(backend, most=2 * MIB)

    tracemalloc.start()
    try:
        with pytest.raises(Corrupt) as caught:
            await store.get("a")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 8 * MIB
    assert caught.value.layer == "squeeze"


async def test_what_is_larger_than_may_be_opened_is_stored_as_it_is() -> None:
    backend = MemoryKeyValue()
    store = over(backend, most=2000)
    await store.set("a", bytes(2001))
    await store.set("b", bytes(2000))

    assert (len(raw(backend)), len(raw(backend, "b")) < 100) == (2001, True)
    assert await store.get_many(["a", "b"]) == (bytes(2001), bytes(2000))


def check(module: Any) -> None:
    """Check the form of what is stored against every way in which it may be wrong."""
    one = squeezer(module, least=30, most=MIB)
    for data in (b"", b"x", b"x" * 1000, MAGIC, MAGIC + b"x" * 1000, bytes(range(256))):
        for notes in (b"", b"n" * 24):
            assert one.decode(one.encode(data, PLACE, notes)) == (data, notes)
    stored = one.encode(b"x" * 1000, PLACE)
    for cut in range(len(MAGIC), len(stored)):
        assert refuses(one, stored[:cut]), cut
    assert refuses(one, stored + b"\0")
    assert refuses(one, bomb(MIB + 1))
    assert refuses(one, bomb(MIB, 5))
    assert refuses(one, bomb(1000, 1001))
    assert refuses(one, MAGIC + b"\0\0\0" + (2).to_bytes(8, "big") + b"x")
    assert refuses(one, MAGIC + b"\2\0\0" + (1).to_bytes(8, "big") + b"x")
    assert len(one.encode(bytes(MIB + 1), PLACE)) == MIB + 1


def refuses(one: Squeezer, stored: bytes) -> bool:
    try:
        one.decode(stored)
    except Corrupt:
        return True
    return False


def test_what_is_stored_is_what_was_given_or_corrupt() -> None:
    check(core)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("if notes or data.startswith(MAGIC) else data", "if notes else data"),
        ("        if size > self._most:", "        if False:"),
        ("if not opener.eof or opener.unused_data:", "if not opener.eof:"),
        ("or len(data) != size:", "or False:"),
        ("if kind not in {_AS_IS, _ZLIB} or", "if"),
        ("if not self._least <= len(data) <= self._most:", "if not self._least <= len(data):"),
    ],
    ids=["escape", "most", "rest", "size", "kind", "too large"],
)
def test_a_form_that_forgets_something_is_found_out(old: str, new: str) -> None:
    with pytest.raises((AssertionError, Corrupt)):
        check(mutant(core, old, new))


@settings(max_examples=200)
@given(
    st.one_of(st.binary(max_size=3000), st.binary(max_size=200).map(lambda rest: MAGIC + rest)),
    st.integers(0, 100),
    st.binary(max_size=50),
)
def test_any_content_comes_back(data: bytes, least: int, notes: bytes) -> None:
    one = squeezer(least=least)

    assert one.decode(one.encode(data, PLACE, notes)) == (data, notes)


@given(
    st.one_of(
        st.text(max_size=500),
        st.text(max_size=50).map(lambda rest: TEXT + rest),
        st.binary(max_size=50).map(lambda rest: TEXT + b64encode(MAGIC + rest).decode()),
    )
)
def test_any_text_comes_back(text: str) -> None:
    one = squeezer(least=10)

    assert one.decode_text(one.encode_text(text, PLACE), PLACE) == text


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_garbage_is_told_apart_or_corrupt(rest: bytes) -> None:
    one = squeezer()

    if not rest.startswith(MAGIC):
        assert one.decode(rest) == (rest, b"")
    text = TEXT + b64encode(rest).decode()
    for weight in (one.weight(MAGIC + rest), one.weight(text)):
        assert 0 <= weight <= MIB
    if not refuses(one, MAGIC + rest):
        assert rest[0] in {0, 1}


async def test_documents_are_squeezed_if_that_saves_anything_in_base64() -> None:
    backend = MemoryDocuments()
    store: Documents = over(backend)
    await store.set("a", "word " * 1000)
    await store.set("b", "short")

    stored = {one.id: one.content async for one in Stack().over(backend).scan()}
    assert len(stored["a"]) < 200
    assert stored["b"] == "short"
    found = await store.search("", limit=5)
    assert {hit.document.content for hit in found} == {"word " * 1000, "short"}
    with pytest.raises(Unsupported, match="no words"):
        await store.search("word")
    assert store.bound.capabilities[Find].features == {"filter", "order"}


async def test_squeezed_text_that_was_changed_is_corrupt() -> None:
    backend = MemoryDocuments()
    store: Documents = over(backend)
    plain: Documents = Stack().over(backend)
    for bad in (TEXT, TEXT + "!", TEXT + "AAAA", TEXT + b64encode(bomb(MIB, 7)).decode()):
        await plain.set("a", bad)
        with pytest.raises(Corrupt):
            await store.get("a")
    notes = MAGIC + b"\0\0\0" + (1).to_bytes(8, "big") + b"\xff"
    await plain.set("a", TEXT + b64encode(notes).decode())
    with pytest.raises(Corrupt):
        await store.get("a")


def test_vectors_and_media_pass_untouched() -> None:
    for backend, op in (
        (ScriptedVectors(), Upsert),
        (ScriptedMedia(), Put),
        (ScriptedMedia(), Sign),
    ):
        bound = over(backend).bound
        assert op in bound.capabilities
        assert not Squeezed.codes(op)
    assert not Squeezed.codes(Scan)


@pytest.mark.parametrize("backend", [MemoryKeyValue, MemoryDocuments, MemoryVectors, MemoryMedia])
def test_takes_no_operation_away_that_can_be_served(backend: Any) -> None:
    made = backend()

    assert set(over(made).bound.capabilities) == set(Stack().over(made).bound.capabilities)


async def test_squeezed_content_is_sealed_after_it_was_squeezed() -> None:
    backend = MemoryKeyValue()
    store: KeyValue = Stack.ordered(Seal(Seal.new_key()), Squeeze()).over(backend)
    await store.set("a", b"x" * MIB)

    assert len(raw(backend)) < 2000
    assert await store.get("a") == b"x" * MIB


async def test_large_values_leave_the_loop_to_others() -> None:
    store = over(MemoryKeyValue())

    for size, waits in ((1000, False), (2_000_000, True)):
        for work in (store.set("a", b"text" * (size // 4)), store.get("a")):
            call = asyncio.ensure_future(work)
            await asyncio.sleep(0)
            assert call.done() is not waits, "a thread has it, the backend in memory never waits"
            await call


def test_may_be_cancelled_while_a_thread_squeezes() -> None:
    async def scenario() -> None:
        store = over(MemoryKeyValue())
        async with store:
            await store.set("a", b"some text " * 10_000)
            assert await store.get("a")
            await store.append("b", "some text " * 10_000)

    assert sweep(scenario).points >= 3


def test_the_same_content_always_becomes_the_same_bytes() -> None:
    assert len({squeezer().encode(b"text " * 500, PLACE) for _ in range(5)}) == 1


def test_documents_have_the_operations_of_their_domain() -> None:
    bound = over(ScriptedDocuments()).bound

    assert {Write, Find} <= set(bound.capabilities)
    assert Get not in bound.capabilities
