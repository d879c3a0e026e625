"""Mistakes that both checkers must see: an ignore that is not needed is an error of its own."""

from __future__ import annotations

from lamina import Documents, F, KeyValue, Media, MemoryKeyValue, MemoryMedia, Stack, Vectors
from lamina.backend import serves
from lamina.caching import LocalCache, cached
from lamina.domains.documents import Document, Found
from lamina.domains.keyvalue import Get, KeyValueBackend, Set
from lamina.domains.media import Info
from lamina.domains.store import Store
from lamina.domains.vectors import Record
from lamina.testing import ScriptedKeyValue


async def keyvalue(store: KeyValue) -> None:
    value: bytes = await store.get("a")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    await store.get(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await store.get(key="a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await store.get("a", True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await store.set("a", "text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await store.set("a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await store.set("a", b"1", tll=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await store.set("a", b"1", ttl="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await store.set_many({"a": "text"})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    await store.compare_and_set("a", b"1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    number: int = await store.delete("a") or None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    store.put("a", b"1")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    del value, number


async def documents(store: Documents) -> None:
    await store.set("a", b"1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await store.search("a", filter="n = 1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await store.search("a", order="size")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await store.update("a", "text")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    found = await store.get("a")
    _ = found.content  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    if found is not None:
        found.content = "x"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
        found.metadata["n"] = 1  # type: ignore[index]  # pyright: ignore[reportIndexIssue]


async def vectors(store: Vectors) -> None:
    await store.set("a", [1.0])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await store.search("a", top_k="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def media(store: Media) -> None:
    await store.set("a", "text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await store.range("a", 0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def stacks() -> None:
    wrong: KeyValue = Stack().over(MemoryMedia())  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    Stack("cache")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Stack().over(Stack())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    scripted = ScriptedKeyValue()
    scripted.expect(Get("a")).returns("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    del wrong


def unified_interface(keyvalue: KeyValue, documents: Documents, media: Media) -> None:
    one: Store[str, bytes, str] = keyvalue  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    two: Store[str, Record, Found] = documents  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    three: Store[bytes, bytes, str] = media  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    four: Store[bytes, Document, Info] = media  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    del one, two, three, four


async def operations() -> None:
    store = Stack().over(MemoryKeyValue())
    op = Get("a")
    op.key = "b"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    Get()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Set("a", "text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Get("a", False, "acme")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    answer: int = await store.bound.send(op)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    del answer


def filters() -> None:
    F.n.contains(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    _ = F.n < [1]  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnknownVariableType]
    _ = (F.n == 1) & "x"  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnknownVariableType]


class Wrong(KeyValueBackend):
    name = "wrong"

    @serves(Get)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async def get(self, op: Get) -> str:
        return op.key


@cached(ttl=30)
async def length(name: str) -> int:
    return len(name)


async def kept_functions() -> None:
    await length(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    length.cache.invalidate()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    text: str = await length("a")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    del text


@cached(ttl=30)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def not_async(name: str) -> int:
    return len(name)


async def not_bytes() -> str:
    return "text"


async def made(store: KeyValue) -> None:
    await store.get_or_set("a", not_bytes)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    store.explain("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def kept_values(answers: LocalCache) -> None:
    await answers.get_or_set("a", not_bytes())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await answers.get_or_set(["a"], not_bytes)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    text: bytes = await answers.get_or_set("a", not_bytes)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    del text
