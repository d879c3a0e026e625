"""Operations: what they may hold, how they compare, and what they show."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lamina.domains.keyvalue import (
    Append,
    CompareAndSet,
    Delete,
    Get,
    GetMany,
    Increment,
    Set,
    SetMany,
)
from lamina.domains.vectors import Nearest, Upsert
from lamina.errors import Brief, Conflict, Invalid, StackError
from lamina.filters import F
from lamina.operation import Operation, operation
from lamina.testing.samples import NAMES, REFUSED, SAMPLES
from lamina.values import Count, Json, Key, Seconds, Vector

EVERY = [op for ops in SAMPLES.values() for op in ops]


@operation("sample")
class Sample(Operation[None]):
    key: Key
    number: int | float | bool = 0
    more: tuple[int | str, ...] = ()


@pytest.mark.parametrize(
    "kind",
    [dict, list, object, bytearray, set, complex, Any, tuple[dict[str, int], ...], list[int]],
    ids=repr,
)
def test_refuses_a_field_that_could_change(kind: Any) -> None:
    wrong = type("Wrong", (Operation,), {"__annotations__": {"field": kind}})

    with pytest.raises(StackError, match=r"Wrong\.field: operations hold no"):
        operation("sample")(wrong)


@pytest.mark.parametrize("op", EVERY, ids=lambda op: type(op).__name__)
def test_cannot_be_hashed(op: Operation[Any]) -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(op)


@pytest.mark.parametrize("op", EVERY, ids=lambda op: type(op).__name__)
def test_has_no_dict(op: Operation[Any]) -> None:
    assert not hasattr(op, "__dict__")


@pytest.mark.parametrize("op", EVERY, ids=lambda op: type(op).__name__)
def test_identity_is_hashable_and_equal_for_equal_operations(op: Operation[Any]) -> None:
    same = dataclasses.replace(op)
    assert same == op
    assert same.identity() == op.identity()
    hash(op.identity())


@pytest.mark.parametrize("op", EVERY, ids=lambda op: type(op).__name__)
def test_identity_and_tags_tell_the_scope(op: Operation[Any]) -> None:
    scoped = dataclasses.replace(op, scope="acme")
    assert scoped != op
    assert scoped.identity() != op.identity()
    assert all("acme" in tag for tag in scoped.tags())
    assert not {*scoped.tags()} & {*op.tags()}


def test_identity_of_one_key_is_the_key_itself() -> None:
    assert Get("a").identity() == "a"
    assert Get("a", scope="acme").identity() == ("acme", "a")


def test_identity_leaves_out_fresh() -> None:
    assert Get("a", fresh=True).identity() == Get("a").identity()
    assert Get("a", fresh=True) != Get("a")


def test_identity_tells_numbers_of_different_types_apart() -> None:
    ids = [Sample("a", number).identity() for number in (1, 1.0, True, 0, 0.0, False)]
    assert len(set(ids)) == 6
    inner = [Sample("a", 0, more).identity() for more in ((1,), ("1",), (1, 1), ())]
    assert len(set(inner)) == 4


def test_identity_tells_none_from_empty() -> None:
    assert CompareAndSet("a", None, b"").identity() != CompareAndSet("a", b"", b"").identity()


def test_identity_tells_filters_apart() -> None:
    vector = Vector.of([1.0])
    conditions = [None, F.n == 1, F.n == 1.5, F.n == "1", F.n != 1, ~(F.n == 1)]
    ids = [Nearest(vector, filter=condition).identity() for condition in conditions]
    assert len(set(ids)) == len(conditions)


def test_identity_of_a_search_holds_plain_values_alone() -> None:
    vector = Vector.of([1.0, 2.0])
    asked = Nearest(vector, text="a", top_k=3, filter=F.n == 1, namespace="n").identity()
    assert asked == ("", vector.data, None, "a", 3, (F.n == 1).key(), "n")
    assert asked == Nearest(Vector(vector.data), None, "a", 3, F.n == 1, "n").identity()
    others = [Nearest(vector, text=text).identity() for text in (None, "", "b")]
    assert len({*others, Nearest(text="a").identity()}) == 4


def test_no_two_arguments_share_an_identity() -> None:
    ids = [Get(name, scope=scope).identity() for name in NAMES for scope in ("", "a", "é")]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_refuses_a_key_that_some_backend_could_not_hold(name: str) -> None:
    for make in (Get, Delete, Increment):
        with pytest.raises(Invalid, match="key must"):
            make(name)
    with pytest.raises(Invalid):
        GetMany(("a", name))
    with pytest.raises(Invalid):
        SetMany((("a", b"1"), (name, b"2")))


@pytest.mark.parametrize("name", [name for name in REFUSED if name], ids=ascii)
def test_refuses_a_scope_that_some_backend_could_not_hold(name: str) -> None:
    with pytest.raises(Invalid, match="scope must"):
        Get("a", scope=name)


@pytest.mark.parametrize("wrong", [None, 1, b"a", ["a"]])
def test_refuses_a_key_of_another_type(wrong: Any) -> None:
    with pytest.raises(Invalid, match="key must be str, got"):
        Get(wrong)


@pytest.mark.parametrize("wrong", ["text", None, bytearray(b"a"), memoryview(b"a"), 1])
def test_refuses_a_value_that_is_not_bytes(wrong: Any) -> None:
    with pytest.raises(Invalid, match="must be bytes, got"):
        Set("a", wrong)


@pytest.mark.parametrize("wrong", [0, -1, float("inf"), float("nan"), True, "1"])
def test_refuses_a_duration_that_is_none(wrong: Any) -> None:
    with pytest.raises(Invalid, match="ttl must be more than 0 and finite"):
        Set("a", b"1", wrong)


def test_checks_what_an_own_operation_declares() -> None:
    @operation("sample", writes=True)
    class Own(Operation[int]):
        key: Key
        seconds: Seconds | None = None
        count: Count = 1

    assert Own("a").seconds is None
    assert (Own.writes, Own.idempotent, Own.domain, Own.target_field) == (
        True,
        False,
        "sample",
        "key",
    )
    for wrong in ({"seconds": 0}, {"count": 0}, {"count": -1}):
        with pytest.raises(Invalid):
            Own("a", **wrong)


def test_shows_no_content() -> None:
    secret = "hunter2"
    shown = [
        repr(Set("a", secret.encode())),
        repr(Append("a", (Json.of(secret),))),
        repr(SetMany((("a", secret.encode()),))),
        repr(Upsert("a", text=secret, metadata=Json.of({"p": secret}))),
        repr(Nearest(text=secret)),
    ]
    assert not [text for text in shown if secret in text]
    assert repr(Set("a", b"1234567", 2)) == "Set(key='a', value=<7 bytes>, ttl=2)"
    assert repr(Get("a", scope="acme")) == "Get(scope='acme', key='a', fresh=False)"


def test_shows_ten_megabytes_in_a_line() -> None:
    assert repr(Set("a", bytes(10 * 2**20))) == "Set(key='a', value=<10485760 bytes>, ttl=None)"
    assert len(repr(Get("x" * 1024))) < 120


@pytest.mark.parametrize("op", EVERY, ids=lambda op: type(op).__name__)
def test_brief_names_operation_and_domain(op: Operation[Any]) -> None:
    brief = op.brief()
    assert (brief.operation, brief.domain) == (type(op).__name__, type(op).domain)
    assert len(str(brief)) < 150


def test_brief_tells_the_key_but_no_content() -> None:
    assert Set("a", b"secret").brief() == Brief("Set", "keyvalue", "'a'")
    assert str(Set("a", b"secret").brief()) == "keyvalue.Set('a')"
    assert GetMany(("a", "b")).brief().target == "<2 items>"


def test_reads_are_idempotent_and_writes_say_so() -> None:
    for op in EVERY:
        if not type(op).writes:
            assert op.repeatable()
    assert not Append("a", (Json.of(1),)).repeatable()
    assert Append("a", (Json.of(1),), idempotency="once").repeatable()
    assert not Increment("a").repeatable()
    assert Set("a", b"1").repeatable()


@pytest.mark.parametrize("domain", list(SAMPLES))
def test_every_write_makes_a_read_of_its_key_wrong(domain: str) -> None:
    reads = [op for op in SAMPLES[domain] if not type(op).writes and op.tags()]
    for write in (op for op in SAMPLES[domain] if type(op).writes and op.tags()):
        for read in reads:
            assert {*read.tags()} & {*write.tags()}, (read, write)


@pytest.mark.parametrize(
    "batch", [op for op in EVERY if hasattr(op, "singles")], ids=lambda op: type(op).__name__
)
def test_a_batch_is_what_its_singles_gather_to(batch: Any) -> None:
    scoped = dataclasses.replace(batch, scope="acme")
    singles = scoped.singles()
    assert len(singles) == 2
    assert {type(one) for one in singles} == {type(batch).single}
    assert {one.scope for one in singles} == {"acme"}
    gathered = type(batch).gather(singles)
    assert gathered.singles() == singles


async def _send(op: Operation[Any]) -> Any:
    assert op == Get("a", fresh=True)
    return b"new"


async def test_a_repeated_write_is_told_what_the_first_would_have_been() -> None:
    assert await Delete("a").settle(False, _send) is True
    await CompareAndSet("a", b"old", b"new").settle(Conflict(), _send)
    with pytest.raises(Conflict):
        await CompareAndSet("a", b"old", b"other").settle(Conflict(), _send)
    with pytest.raises(Conflict):
        await CompareAndSet("a", b"x", b"x").settle(Conflict(), _send)
    assert await Increment("a").settle(3, _send) == 3
