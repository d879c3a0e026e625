"""No operation of any domain carries content past Seal in clear; a new one must be decided on."""

from __future__ import annotations

import dataclasses
import pickle
from base64 import b64encode
from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import NoneType
from typing import Any, Final, final, get_args

import pytest

from lamina.backends.memory import MemoryDocuments, MemoryKeyValue, MemoryMedia, MemoryVectors
from lamina.capabilities import Capabilities, Serves
from lamina.domains.documents import Find, Read, ReadAt, ReadMany, Update, Write, WriteAt, WriteMany
from lamina.domains.keyvalue import (
    Append,
    CompareAndSet,
    Get,
    GetMany,
    GetStamped,
    GetStampedMany,
    Increment,
    Set,
    SetMany,
)
from lamina.domains.media import (
    Abort,
    Begin,
    Finish,
    Head,
    HeadMany,
    ListObjects,
    Put,
    PutPart,
    ReadRange,
    Sign,
)
from lamina.domains.store import Check, Deletion
from lamina.domains.vectors import (
    Fetch,
    FetchMany,
    IndexInfo,
    Nearest,
    NearestMany,
    NearestPage,
    Upsert,
    UpsertMany,
)
from lamina.embed import LexicalEmbedder
from lamina.errors import Unsupported
from lamina.layer import Layer
from lamina.layers.seal import Seal
from lamina.layers.seal.codecs import Sealed
from lamina.operation import Handler, Op, Operation, R
from lamina.stack import Stack
from lamina.values import Json, Page, Vector

MARK: Final = "TheSecretOfTheHouse"
DATA: Final = MARK.encode()
KEY: Final = Seal.new_key()
VECTOR: Final = Vector.of([1.0, 0.0])

KEPT: Final = {"values", "documents", "records", "objects"}
"""Where the backends in memory keep what they are given."""

IN_CLEAR: Final = {"metadata", "vector", "sparse"}
"""Content that the backend must see to search it; told in docs/layers.md."""

TELLS_NOTHING: Final = {
    *(NoneType, bool, int, float | None, Page[str], tuple[str, ...], IndexInfo),
}
"""Answers without content."""

REMOVED: Final = {Sign}

TELLS_ABOUT: Final = {Head, HeadMany, ListObjects, Begin, Finish}
"""They carry or answer no bytes, but what is told of them is changed."""

DOMAINS: Final = {
    "keyvalue": MemoryKeyValue,
    "documents": MemoryDocuments,
    "vectors": lambda: MemoryVectors(embedder=LexicalEmbedder()),
    "media": MemoryMedia,
}

WRITES: Final[dict[str, tuple[Operation[Any], ...]]] = {
    "keyvalue": (
        Set("a", DATA),
        SetMany((("b", DATA), ("c", DATA))),
        CompareAndSet("a", DATA, DATA),
        Append("list", (Json.of(MARK),)),
        Increment("count", 1234567890123),
    ),
    "documents": (
        Write("a", MARK),
        Update("a", MARK),
        WriteAt("/b", "b", MARK),
        WriteMany((Write("c", MARK),)),
    ),
    "vectors": (
        Upsert("a", VECTOR, text=MARK),
        UpsertMany((Upsert("b", VECTOR, text=MARK),)),
    ),
    "media": (Put("a", DATA),),
}
"""Each operation that carries content, in an order in which they succeed."""

READS: Final[dict[str, tuple[Operation[Any], ...]]] = {
    "keyvalue": (Get("a"), GetStamped("a"), GetMany(("b", "c")), GetStampedMany(("b", "c"))),
    "documents": (Read("a"), ReadAt("/b"), ReadMany(("c",)), Find()),
    "vectors": (
        Fetch("a"),
        FetchMany(("b",)),
        Nearest(VECTOR),
        NearestMany((Nearest(VECTOR),)),
        NearestPage(VECTOR),
    ),
    "media": (ReadRange("a"),),
}
"""Each operation that answers content."""

UPLOADED: Final = {PutPart}

REFUSED: Final = {
    "documents": (Find(MARK),),
    "vectors": (
        Upsert("c", text=MARK),
        UpsertMany((Upsert("c", text=MARK),)),
        Nearest(text=MARK),
        NearestMany((Nearest(text=MARK),)),
        NearestPage(text=MARK),
    ),
}
"""What would need the backend to see content."""


@final
class Recorder(Layer):
    """Keeps what reaches the backend and what it answers."""

    slot = "chaos"

    def __init__(self, seen: list[Any]) -> None:
        self.seen = seen

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        self.seen.append(op)
        answer = await inner(op)
        self.seen.append(answer)
        return answer


def operations(domain: str) -> set[type[Operation[Any]]]:
    """Return every operation that the domain defines."""
    home = f"lamina.domains.{domain}"
    places = [info.name for info in iter_modules(import_module(home).__path__, f"{home}.")]
    found = {
        value
        for place in places
        for value in vars(import_module(place)).values()
        if isinstance(value, type) and issubclass(value, Operation) and value.__module__ == place
    }
    assert all(op.domain == domain for op in found)
    return {*found, Check}


def answers(op: type[Operation[Any]]) -> Any:
    """Return the type of its answer."""
    if issubclass(op, Deletion):
        return bool
    base: Any = op
    return get_args(base.__orig_bases__[0])[0]


def leaves(value: Any) -> Iterator[bytes]:
    """Return what is within *value*, whatever it is, as bytes."""
    if isinstance(value, Operation):
        fields = [field.name for field in dataclasses.fields(value)]
        for name in fields:
            if name not in IN_CLEAR:
                yield from leaves(getattr(value, name))
    elif isinstance(value, tuple | list | set | frozenset):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, Mapping):
        for item in (*value, *value.values()):
            yield from leaves(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from leaves(getattr(value, field.name))
    else:
        yield value if isinstance(value, bytes) else str(value).encode()


def shows(value: Any) -> bool:
    """Tell whether the mark is within *value*, plain or as base64."""
    parts = [DATA, *(b64encode(b"\0" * pad + DATA)[4:-4] for pad in range(3)), b"1234567890123"]
    return any(part in leaf for leaf in leaves(value) for part in parts)


@pytest.mark.parametrize("domain", list(DOMAINS))
def test_each_operation_is_sealed_or_has_no_content_or_is_not_served(domain: str) -> None:
    everything = operations(domain)
    served = Sealed.serves(Capabilities(dict.fromkeys(everything, Serves())))

    for op in everything:
        content = set(op.content_fields) - IN_CLEAR
        silent = not content and answers(op) in TELLS_NOTHING
        assert Sealed.codes(op) or silent or op not in served, op

    shown = {type(op) for op in (*WRITES[domain], *READS[domain])} | UPLOADED | TELLS_ABOUT
    sealed = {op for op in everything if Sealed.codes(op)}
    assert sealed - shown == ({Abort} if domain == "media" else set())
    assert everything - set(served) == REMOVED & everything


def test_a_new_operation_is_not_served_until_it_is_decided_on() -> None:
    class GetTwice(Operation[bytes]):
        domain = "keyvalue"

    class Other(Operation[bytes]):
        domain = "other"

    below = Capabilities({GetTwice: Serves(), Other: Serves(), Get: Serves()})

    assert set(Sealed.serves(below)) == {Get}


@pytest.mark.parametrize("domain", list(DOMAINS))
async def test_the_backend_sees_and_keeps_no_content(domain: str) -> None:
    seen: list[Any] = []
    backend = DOMAINS[domain]()
    store: Any = Stack(Seal(KEY), Recorder(seen)).over(backend)

    async with store:
        told = [await store.bound.send(op) for op in (*WRITES[domain], *READS[domain])]
        kept = backend.__dict__
        assert not any(map(shows, seen))
        assert DATA not in pickle.dumps({name: kept[name] for name in kept if name[1:] in KEPT})

    answered = told[len(WRITES[domain]) :]
    assert all(map(shows, answered))
    assert any(map(shows, WRITES[domain]))


async def test_the_backend_sees_no_content_of_an_upload_in_parts() -> None:
    seen: list[Any] = []
    backend = MemoryMedia()
    async with Stack(Seal(KEY), Recorder(seen)).over(backend) as store:
        upload = await store.bound.send(Begin("a"))
        etag = await store.bound.send(PutPart("a", upload, 1, DATA))
        await store.bound.send(Finish("a", upload, (etag,)))

        assert await store.get("a") == DATA
    assert not any(map(shows, seen))


@pytest.mark.parametrize(
    "op", [op for ops in REFUSED.values() for op in ops], ids=lambda op: type(op).__name__
)
async def test_refuses_what_would_need_the_backend_to_see_content(op: Operation[Any]) -> None:
    seen: list[Any] = []
    backend: Any = DOMAINS[type(op).domain]()
    async with Stack(Seal(KEY), Recorder(seen)).over(backend) as store:
        with pytest.raises(Unsupported) as caught:
            await store.bound.send(op)

    assert (caught.value.sent, caught.value.layer, seen) == ("no", "seal", [])
