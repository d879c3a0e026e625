"""Whatever a caller gives, what comes out is an error of ours, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from lamina.backends.memory import MemoryDocuments, MemoryKeyValue, MemoryVectors
from lamina.context import call
from lamina.domains.documents import Documents
from lamina.domains.keyvalue import Get, GetMany, KeyValue
from lamina.domains.vectors import Vectors
from lamina.errors import Corrupt, Invalid
from lamina.filters import F
from lamina.stack import Stack
from lamina.values import Json, SparseVector, Vector

HUGE: Final = 10**5000  # more than a float holds, and than Python turns into text
V: Final = Vector.of([1, 2])


def deep() -> Any:
    made = F.a == 1
    for _ in range(100):
        made = (made & (F.b == 2)) | (F.c == 3)
    return made


KEYVALUE: Final[dict[str, Callable[[Any], Any]]] = {
    "a time to live that is too large": lambda store: store.set("a", b"", ttl=HUGE),
    "one that is too small": lambda store: store.set("a", b"", ttl=-HUGE),
    "a count that is too small": lambda store: store.search("", limit=-HUGE),
    "text for keys": lambda store: store.get_many("abc"),
    "bytes for keys": lambda store: store.get_many(b"abc"),
    "nothing for keys": lambda store: store.get_many(None),
    "a number for keys": lambda store: store.get_many(5),
    "pairs for a mapping": lambda store: store.set_many([("a", b"")]),
    "nothing for a mapping": lambda store: store.set_many(None),
    "text for items": lambda store: store.extend("a", "abc"),
    "an object for items": lambda store: store.extend("a", {"role": "user"}),
    "a number for items": lambda store: store.extend("a", 5),
    "no items of a generator": lambda store: store.extend("a", iter(())),
}
DOCUMENTS: Final[dict[str, Callable[[Any], Any]]] = {
    "an unknown order": lambda store: store.search("a", order="content"),
    "text for a filter": lambda store: store.search("a", filter="b"),
    "a filter too deep": lambda store: store.search("a", filter=deep()),
    "nothing for a query": lambda store: store.search(None),
    "a number for a query": lambda store: store.search(0),
    "text for documents": lambda store: store.set_many("abc"),
    "pairs for documents": lambda store: store.set_many([("a", "b")]),
}
VECTORS: Final[dict[str, Callable[[Any], Any]]] = {
    "a list for metadata": lambda store: store.set("a", V, metadata=[1]),
    "text for metadata": lambda store: store.set("a", V, metadata="b"),
    "text for a filter": lambda store: store.search(V, filter="b"),
    "a number for a filter": lambda store: store.delete_where(0),
    "text for keys": lambda store: store.get_many("abc"),
    "text for records": lambda store: store.set_many("abc"),
}
VALUES: Final[dict[str, Callable[[], Any]]] = {
    "text for a vector": lambda: Vector("abcd"),  # type: ignore[arg-type]
    "nothing for a vector": lambda: Vector(None),  # type: ignore[arg-type]
    "bytes that may change for a vector": lambda: Vector(bytearray(4)),  # type: ignore[arg-type]
    "bytes for the numbers of a vector": lambda: Vector.of(b"abcd"),
    "lists for a sparse vector": lambda: SparseVector([1], [1.0]),  # type: ignore[arg-type]
    "nothing for a sparse vector": lambda: SparseVector(None, None),  # type: ignore[arg-type]
    "text for the bytes of JSON": lambda: Json("{}"),  # type: ignore[arg-type]
    "a number for a field": lambda: F[5],  # type: ignore[index]
    "text for values": lambda: F.a.is_in("abc"),
    "a number for values": lambda: F.a.is_in(5),  # type: ignore[arg-type]
    "text combined with a filter": lambda: (F.a == 1) & "b",  # type: ignore[operator]
    "text for a deadline": lambda: call(deadline="1"),  # type: ignore[arg-type]
    "a deadline that is too small": lambda: call(deadline=-HUGE),
    "nothing for a scope": lambda: Get("a", scope=None),  # type: ignore[arg-type]
    "bytes for a scope": lambda: Get("a", scope=b""),  # type: ignore[arg-type]
    "a list for keys": lambda: GetMany(["a"]),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("ask", KEYVALUE.values(), ids=KEYVALUE)
async def test_key_value_refuses(ask: Callable[[Any], Any]) -> None:
    store: KeyValue = Stack().over(MemoryKeyValue())
    with pytest.raises(Invalid):
        await ask(store)
    assert await store.search("") == ()


@pytest.mark.parametrize("ask", DOCUMENTS.values(), ids=DOCUMENTS)
async def test_documents_refuse(ask: Callable[[Any], Any]) -> None:
    store: Documents = Stack().over(MemoryDocuments())
    await store.set("a", "a text")
    with pytest.raises(Invalid):
        await ask(store)


@pytest.mark.parametrize("ask", VECTORS.values(), ids=VECTORS)
async def test_vectors_refuse(ask: Callable[[Any], Any]) -> None:
    store: Vectors = Stack().over(MemoryVectors())
    async with store:
        with pytest.raises(Invalid):
            await ask(store)


@pytest.mark.parametrize("make", VALUES.values(), ids=VALUES)
def test_values_refuse(make: Callable[[], Any]) -> None:
    with pytest.raises(Invalid):
        make()


async def test_what_is_wrong_is_not_shown() -> None:
    with pytest.raises(Invalid, match=r"ttl must be more than 0 and finite, got another str$"):
        await Stack().over(MemoryKeyValue()).set("a", b"", ttl="a secret")  # type: ignore[arg-type]


async def test_a_deadline_beyond_all_numbers_is_none() -> None:
    async with call(deadline=HUGE) as made:
        assert made.deadline is None


@pytest.mark.parametrize("depth", [201, 900, 5000])
def test_json_nested_too_deep_is_corrupt(depth: int) -> None:
    with pytest.raises(Corrupt):
        Json(b"[" * depth + b"1" + b"]" * depth).value()
