"""What an entry is said to weigh, against what Python allocates for it."""

from __future__ import annotations

import copy
import gc
import os
import random
import time
import tracemalloc
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest

from lamina.backends.memory import MemoryKeyValue
from lamina.domains.documents import Document, Found
from lamina.domains.keyvalue import Get
from lamina.domains.vectors import Record
from lamina.layers.cache import Cache
from lamina.layers.cache.marks import Mark
from lamina.layers.cache.sizes import OVERHEAD, footprint, weigh
from lamina.stack import Stack
from lamina.values import Json, Page, SparseVector, Stamped, Vector

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT = 1000


def metadata(at: int) -> Any:
    inner = [1, 2.5, {"deep": f"x{at}"}, {"deep": at * 1000}]
    return Json.of({"tag": f"t{at}", "number": at * 1000, "list": inner, "ok": True}).value()


def document(at: int) -> Document:
    content = "words " * 40 + str(at)
    now = time.time()
    return Document(f"id{at}", content, metadata(at), 1, f"/{at}", now, now + at)


KINDS: dict[str, Callable[[int], object]] = {
    "bytes": lambda _: os.urandom(100),
    "text": lambda at: "x" * 50 + str(at),
    "stamped": lambda at: Stamped(os.urandom(200), time.time() + at),
    "json": lambda at: Json.of({"a": at, "b": "x" * 30}),
    "metadata": metadata,
    "document": document,
    "record": lambda at: Record(
        f"id{at}", Vector(bytes(1024 + at % 4 * 4)), None, None, metadata(at)
    ),
    "sparse": lambda at: SparseVector(
        tuple(range(1000, 1050)), tuple(random.Random(at).random() for _ in range(50))
    ),
    "page": lambda at: Page(tuple(Found(document(at + n), at + n / 7) for n in range(5)), f"n{at}"),
    "keys": lambda at: Page(tuple(f"key:{at}:{n}" for n in range(30))),
}


@pytest.mark.parametrize("kind", KINDS)
def test_weight_is_within_a_tenth_of_what_is_allocated(kind: str) -> None:
    make = KINDS[kind]
    held: list[object] = [None] * COUNT
    make(0)
    gc.collect()
    tracemalloc.start()
    try:
        for at in range(COUNT):
            held[at] = make(at + 1000)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert sum(map(weigh, held)) == pytest.approx(grown, rel=0.1)


@pytest.mark.parametrize("turns", [1, 3], ids=["filling", "others left"])
async def test_bytes_told_are_within_a_tenth_of_what_a_cache_allocates(turns: int) -> None:
    count = 4000
    store = Stack(Cache(1000, max_entries=count)).over(MemoryKeyValue())
    keys = [f"user:{at:06}:profile" for at in range(turns * count)]
    for key in keys:
        await store.set(key, bytes(100))
    cache = store.bound.layer(Cache)
    assert cache is not None
    await store.get("warm")
    gc.collect()
    tracemalloc.start()
    try:
        for key in keys:
            await store.get("".join(list(key)))
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    told = cache.stats()
    assert told.size == count
    values = count * weigh(bytes(100))  # the backend's own, allocated before
    assert told.bytes - values == pytest.approx(grown, rel=0.1)


class Colour(Enum):
    RED = "a colour with a long name"


@dataclass
class Plain:
    a: object
    b: object


class Other:
    def __init__(self) -> None:
        self.data = b"x" * 1000


def test_what_the_program_has_anyway_weighs_nothing() -> None:
    for value in (None, True, 7, -5, "", "x", b"", b"y", Colour.RED, int):
        assert weigh(value) == 0
    assert weigh(257) > 0


def test_what_stands_twice_weighs_once() -> None:
    part = b"x" * 1000
    assert weigh((part,) * 3) < 1200
    assert weigh((b"x" * 1000, b"y" * 1000)) > 2000
    loop: list[Any] = [part]
    loop.append(loop)
    assert 1000 < weigh(loop) < 1400


def test_weighs_what_is_inside_of_whatever_it_is() -> None:
    part = b"x" * 1000
    for value in (Plain(1, part), Other(), [part], {part}, frozenset({part}), {part: 1}, {1: part}):
        assert 1000 < weigh(value) < 1600
    assert weigh(copy) > 0


def test_a_huge_value_is_not_weighed_to_its_end() -> None:
    huge = [float(at) for at in range(200_000)]
    began = time.perf_counter()
    assert weigh(huge, most=1000) > 1000
    stopped = time.perf_counter() - began
    began = time.perf_counter()
    weigh(huge)

    assert stopped < (time.perf_counter() - began) / 10


def test_nesting_of_any_depth_is_weighed() -> None:
    deep: Any = ()
    for _ in range(100_000):
        deep = (deep,)
    assert weigh(deep) > 4_000_000
    while deep:  # else its end would come all at once
        (deep,) = deep


def test_an_entry_weighs_its_key_and_its_tag_too() -> None:
    key = Get("some key").identity()
    tag = "keyvalue\0\0=some key"
    marks = (Mark(tag), Mark())
    assert footprint(key, b"x" * 100, marks) == OVERHEAD + 133 + weigh(key) + weigh(tag)
