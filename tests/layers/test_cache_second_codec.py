"""Answers as bytes: exactly what they were, or a miss, whatever the bytes are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast, final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.domains import documents, keyvalue, media, vectors
from lamina.domains.documents import Document, Find, Found, Read
from lamina.domains.keyvalue import Get, GetStamped, Scan
from lamina.domains.vectors import Fetch, Match, Nearest, Record
from lamina.filters import F
from lamina.layers.cache.second.coders import Coder, Source, Unstorable
from lamina.layers.cache.second.frame import Unreadable, packed, unpacked, value_of
from lamina.layers.cache.second.kinds import Kind, kind_of
from lamina.layers.cache.second.names import Names
from lamina.layers.cache.second.shapes import answer_type, coder_of
from lamina.operation import BatchOperation, Operation
from lamina.values import Page, SparseVector, Stamped, Vector, freeze

if TYPE_CHECKING:
    from types import ModuleType

T = TypeVar("T")
ID = bytes(range(32))
NAMES = Names("lamina", "keyvalue")

texts = st.text(st.characters(), max_size=8)  # surrogates too
floats = st.floats()
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
metadata = st.dictionaries(texts, json, max_size=3).map(freeze)
made = st.builds(Document, texts, texts, metadata, st.integers(), st.none() | texts, floats, floats)
narrow = st.floats(width=32, allow_nan=False, allow_infinity=False)
dense = st.lists(narrow, min_size=1, max_size=4).map(Vector.of)
sparse = st.lists(narrow, max_size=3).map(
    lambda numbers: SparseVector(tuple(range(len(numbers))), tuple(numbers))
)
ANSWERS: dict[Any, st.SearchStrategy[Any]] = {
    Get: st.none() | st.binary(),
    GetStamped: st.builds(Stamped, st.none() | st.binary(), st.none() | floats),
    Scan: st.builds(Page, st.lists(texts).map(tuple), st.none() | texts),
    Read: st.none() | made,
    Find: st.builds(
        Page, st.lists(st.builds(Found, made, floats), max_size=2).map(tuple), st.none() | texts
    ),
    Fetch: st.none()
    | st.builds(Record, texts, st.none() | dense, st.none() | sparse, st.none() | texts, metadata),
    Nearest: st.lists(st.builds(Match, texts, floats, st.none() | texts, metadata), max_size=3).map(
        tuple
    ),
}


def kept(op: Any) -> Kind:
    found = kind_of(op)
    assert found is not None
    return found


def bytes_of(kind: Kind, answer: Any, until: float | None = None) -> bytes:
    return packed(kind.coder, kind.mark, ID, answer, asked=1.0, until=until, generations=bytes(16))


def back(coder: Coder, value: Any) -> Any:
    out: list[bytes] = []
    coder.write(value, out)
    source = Source(b"".join(out))
    told = coder.read(source)
    assert source.at == len(source.data)
    return told


def shown(value: object) -> str:
    """Tell values apart that only compare equal: 1, 1.0 and True; -0.0; nan is nan."""
    if isinstance(value, Document):
        return repr(
            [getattr(value, name) for name in Document.__dataclass_fields__] + [type(value)]
        )
    if isinstance(value, tuple):
        return repr([shown(each) for each in cast("tuple[object, ...]", value)])
    if isinstance(value, Page):
        return f"{shown(cast('Any', value).items)} {cast('Any', value).next!r}"
    if isinstance(value, Found):
        return f"{shown(value.document)} {value.score!r}"
    if isinstance(value, Record):
        return repr([value.id, value.vector and value.vector.data, value.metadata, value.text])
    return repr(value)


@pytest.mark.parametrize("op", list(ANSWERS), ids=lambda op: op.__name__)
@given(data=st.data())
def test_ca3_an_answer_comes_back_exactly(op: Any, data: st.DataObject) -> None:
    kind, answer = kept(op), data.draw(ANSWERS[op])

    found = unpacked(bytes_of(kind, answer, until=2.5), kind.mark, ID)

    assert shown(value_of(found, kind.coder)) == shown(answer)
    assert (found.asked, found.until, found.generations) == (1.0, 2.5, bytes(16))


@given(data=st.binary(max_size=200))
def test_ca3_bytes_of_anybody_are_unreadable(data: bytes) -> None:
    kind = kept(Read)
    for some in (data, bytes_of(kind, None)[:4] + data):
        with pytest.raises(Unreadable):
            unpacked(some, kind.mark, ID)


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_ca3_a_flipped_bit_or_a_missing_end_is_unreadable(at: int, bit: int) -> None:
    kind = kept(Get)
    data = bytearray(bytes_of(kind, b"value" * 9))
    place = at % len(data)
    with pytest.raises(Unreadable):
        unpacked(bytes(data[:place]), kind.mark, ID)
    data[place] ^= 1 << bit
    with pytest.raises(Unreadable):
        unpacked(bytes(data), kind.mark, ID)


@given(body=st.binary(max_size=80))
def test_ca3_whole_bytes_of_no_value_are_unreadable(body: bytes) -> None:
    """What only a forger makes: the sum is right, the value is not."""
    raw = Coder("raw", lambda _: True, lambda value, out: out.append(value), Source.length)
    for op in ANSWERS:
        kind = kept(op)
        found = unpacked(packed_raw(raw, kind, body), kind.mark, ID)
        try:
            value = value_of(found, kind.coder)
        except Unreadable:
            continue
        again: list[bytes] = []
        kind.coder.write(value, again)  # then it is a value of the type


def packed_raw(raw: Coder, kind: Kind, body: bytes) -> bytes:
    return packed(raw, kind.mark, ID, body, asked=1.0, until=None, generations=bytes(16))


def test_ca3_another_operation_or_another_shape_is_unreadable() -> None:
    kind = kept(Get)
    data = bytes_of(kind, b"v")

    with pytest.raises(Unreadable):
        unpacked(data, kept(GetStamped).mark, ID)
    with pytest.raises(Unreadable):
        unpacked(data, kind.mark, bytes(32))
    marks = [kept(op).mark for op in ANSWERS]
    assert len(set(marks)) == len(marks)


@pytest.mark.parametrize("until", [math.nan, -math.inf])
def test_a_time_that_is_none_is_unreadable_or_over(until: float) -> None:
    kind = kept(Get)
    data = bytes_of(kind, b"v", until=until)
    if math.isnan(until):
        with pytest.raises(Unreadable):
            unpacked(data, kind.mark, ID)
    else:
        assert unpacked(data, kind.mark, ID).until == until


@pytest.mark.parametrize("domain", [keyvalue, documents, vectors, media], ids=lambda m: m.__name__)
def test_answers_of_all_domains_are_kept(domain: ModuleType) -> None:
    reads: list[Any] = [
        op
        for op in vars(domain).values()
        if isinstance(op, type) and issubclass(op, Operation) and not op.writes
        if not issubclass(op, BatchOperation)
    ]
    assert reads
    assert [op for op in reads if kind_of(op) is None] == []


@final
class Color(Enum):
    RED = 1
    BLUE = "1"


@final
@dataclass(frozen=True)
class Pair(Generic[T]):
    one: T
    two: tuple[T, int] | Literal["none", 1] = "none"


@dataclass
class Open:
    number: int


@final
@dataclass(frozen=True)
class Nested:
    inner: Nested | None


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Color, Color.BLUE),
        (Pair[str], Pair("a", ("b", 2))),
        (Pair[Color | None], Pair(None, 1)),
        (tuple[int, ...], (-1, 2**90, 0)),
        (bool | int | float, True),
        (bool | int | float, 1),
        (float, 1),
        (str, "\ud83d\ude00\0"),
    ],
    ids=repr,
)
def test_a_value_keeps_its_type(hint: Any, value: Any) -> None:
    told = back(coder_of(hint), value)
    assert told == value
    assert type(told) is type(value)


@pytest.mark.parametrize(
    "hint",
    [Any, object, list[int], dict[str, int], Open, Nested, set[str], T, Pair, "text"],
    ids=repr,
)
def test_a_type_whose_values_could_change_or_be_anything_is_not_kept(hint: Any) -> None:
    with pytest.raises(Unstorable):
        coder_of(hint)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (bytes | None, "text"),
        (bytes, bytearray(b"a")),
        (int, True),
        (tuple[int, ...], [1]),
        (tuple[int, str], (1, "a", 2)),
        (Color, 1),
        (Literal[1], True),
        (Pair[int], Open(1)),
    ],
    ids=repr,
)
def test_a_value_of_another_type_than_told_is_not_kept(hint: Any, value: Any) -> None:
    with pytest.raises(Unstorable):
        back(coder_of(hint), value)


@pytest.mark.parametrize(
    "value", [freeze({"a": math.nan}), freeze({1: 2}), {"a": 1}, freeze({"a": b"x"})], ids=repr
)
def test_metadata_that_json_would_change_is_not_kept(value: Any) -> None:
    coder = coder_of(Document)
    with pytest.raises(Unstorable):
        back(coder, Document("a", "", value, 1, None, 0.0, 0.0))


def test_an_operation_that_does_not_say_what_it_answers_has_no_type() -> None:
    assert answer_type(Read) == Document | None
    with pytest.raises(Unstorable):
        answer_type(Operation)
    assert kind_of(cast("Any", Operation[Any])) is None


def test_ca3_keys_tell_program_domain_operation_tenant_and_arguments_apart() -> None:
    ops: list[Any] = [
        Get("a"),
        Get("a", scope="b"),
        Get("b", scope="a"),
        GetStamped("a"),
        Scan("a"),
        Find("a"),
        Find(filter=F.a == "1"),
        Find(filter=F.a == 1),
        Nearest(vector=Vector.of([1.0])),
        Nearest(vector=Vector.of([2.0])),
        Nearest(sparse=SparseVector((1,), (1.0,))),
        Nearest(sparse=SparseVector((1,), (2.0,))),
        Get("x" * 1024),
    ]
    names = [NAMES, Names("other", "keyvalue"), Names("lamina", "documents")]

    keys = [name.entry(op, name.digest(op)) for name in names for op in ops]

    assert len(set(keys)) == len(keys)
    assert max(map(len, keys)) < 100
    assert keys[0].startswith("lamina:1:keyvalue:Get:")
    assert NAMES.digest(Get("a", fresh=True)) == NAMES.digest(Get("a"))
    assert NAMES.tags(["a", "b", "a"]) == NAMES.tags(["a", "b"])
