"""Retry repeats only those items of a batch that are worth it."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.backend import serves
from lamina.domains.keyvalue import Delete, GetMany, KeyValueBackend, SetMany
from lamina.errors import AuthError, CircuitOpen, Conflict, TimedOut, Unavailable
from lamina.layers.retry import Retry
from lamina.operation import BatchOperation, Operation, operation
from lamina.stack import Stack
from lamina.testing.scripted import ScriptedKeyValue
from lamina.values import Done, Failed, Outcome


async def test_only_the_items_worth_it_are_repeated_and_the_order_stays() -> None:
    final = AuthError("no")
    with ScriptedKeyValue(ordered=True) as backend:
        backend.expect(GetMany(("a", "b", "c", "d"), True)).returns(
            (Failed(Unavailable()), Done(b"b"), Failed(final), Failed(Unavailable()))
        )
        backend.expect(GetMany(("a", "d"), True)).returns((Done(b"a"), Failed(Unavailable())))
        backend.expect(GetMany(("d",), True)).returns((Done(None),))
        store = Stack(Retry()).over(backend)

        told = await store.get_many(["a", "b", "c", "d"], fresh=True, outcomes=True)

    assert told == (Done(b"a"), Done(b"b"), Failed(final), Done(None))


async def test_a_batch_whose_failures_are_final_is_given_as_it_is() -> None:
    outcomes = (Failed(AuthError()), Done(b"1"))
    with ScriptedKeyValue() as backend:
        backend.expect(GetMany).returns(outcomes)

        told = await Stack(Retry()).over(backend).get_many(["a", "b"], outcomes=True)

    assert told is outcomes


async def test_what_still_fails_at_the_end_is_told_per_item_with_a_note() -> None:
    with ScriptedKeyValue(ordered=True) as backend:
        backend.expect(GetMany(("a", "b"))).returns((Done(b"a"), Failed(Unavailable("1"))))
        backend.expect(GetMany(("b",))).returns((Failed(Unavailable("2")),))

        told = await Stack(Retry(2, base=0)).over(backend).get_many(["a", "b"], outcomes=True)

    assert told[0] == Done(b"a")
    failed = told[1]
    assert isinstance(failed, Failed)
    assert failed.error.args == ("2",)
    assert failed.error.__notes__ == ["gave up after 2 attempts in 0 s"]


async def test_a_batch_that_fails_as_a_whole_raises_its_own_error() -> None:
    errors = [Unavailable("1"), Unavailable("2")]
    with ScriptedKeyValue(ordered=True) as backend:
        for error in errors:
            backend.expect(GetMany(("a", "b"))).raises(error)

        with pytest.raises(Unavailable) as caught:
            await Stack(Retry(2)).over(backend).get_many(["a", "b"])

    assert caught.value is errors[1]
    assert len(caught.value.__notes__) == 1


async def test_a_whole_failure_after_known_items_fails_only_the_rest() -> None:
    with ScriptedKeyValue(ordered=True) as backend:
        backend.expect(SetMany).returns((Done(None), Failed(TimedOut())))
        backend.expect(SetMany).raises(CircuitOpen("open"))

        told = await Stack(Retry()).over(backend).set_many({"a": b"1", "b": b"2"}, outcomes=True)

    assert told[0] == Done(None)
    assert isinstance(told[1], Failed)
    assert isinstance(told[1].error, CircuitOpen)
    assert told[1].error.sent == "maybe"  # the first try may have arrived


async def test_a_whole_failure_that_is_final_comes_out_at_once() -> None:
    with ScriptedKeyValue() as backend:
        backend.expect(GetMany).raises(AuthError("no"))

        with pytest.raises(AuthError):
            await Stack(Retry()).over(backend).get_many(["a"])


@operation("keyvalue", writes=True, idempotent=True)
class Drop(BatchOperation[bool]):
    """Delete several values."""

    keys: tuple[str, ...]

    single = Delete

    def singles(self) -> tuple[Delete, ...]:
        return tuple(Delete(key) for key in self.keys)

    @classmethod
    def gather(cls, singles: tuple[Operation[Any], ...]) -> Drop:
        return cls(tuple(one.key for one in singles if isinstance(one, Delete)))


async def test_a_repeated_item_tells_what_its_first_try_would_have() -> None:
    sent: list[tuple[str, ...]] = []

    class Dropping(KeyValueBackend):
        name = "dropping"

        @serves(Drop)
        async def drop(self, op: Drop) -> tuple[Outcome[bool], ...]:
            sent.append(op.keys)
            if len(sent) == 1:
                unsent = Failed(Unavailable(sent="no"))
                return (Failed(TimedOut()), Done(False), unsent)
            return (Done(False), Done(False))

    told = await Stack(Retry()).over(Dropping()).bound.send(Drop(("a", "b", "c")))

    assert sent == [("a", "b", "c"), ("a", "c")]
    assert told == (Done(True), Done(False), Done(False))  # only a's first try may have deleted


async def test_a_repeated_items_conflict_is_settled_as_its_own() -> None:
    conflict = Conflict("no")
    with ScriptedKeyValue(ordered=True) as backend:
        backend.expect(SetMany).returns((Failed(TimedOut()), Done(None)))
        backend.expect(SetMany).returns((Failed(conflict),))

        told = await Stack(Retry()).over(backend).set_many({"a": b"1", "b": b"2"}, outcomes=True)

    assert told == (Failed(conflict), Done(None))  # Set's settle leaves a conflict as it is
