"""Backends that answer by script, and one that fails by chance."""

from __future__ import annotations

import asyncio
import random

import pytest

from lamina.backends.memory import MemoryKeyValue
from lamina.domains.documents import Read
from lamina.domains.keyvalue import Get, Set
from lamina.domains.media import Head
from lamina.domains.vectors import Fetch
from lamina.errors import StackError, Unavailable, Unsupported
from lamina.stack import Stack
from lamina.testing import (
    Faulty,
    ScriptedDocuments,
    ScriptedKeyValue,
    ScriptedMedia,
    ScriptedVectors,
    UnexpectedOperation,
)


async def test_answers_as_expected_and_keeps_the_calls() -> None:
    with ScriptedKeyValue() as backend:
        backend.expect(Get("a")).returns(b"1")
        backend.expect(Set("a", b"2"))
        store = Stack().over(backend)
        assert await store.get("a") == b"1"
        await store.set("a", b"2")
    assert backend.calls == [Get("a"), Set("a", b"2")]


async def test_serves_every_domain() -> None:
    documents, vectors, media = ScriptedDocuments(), ScriptedVectors(), ScriptedMedia()
    documents.expect(Read("a")).returns(None)
    vectors.expect(Fetch("a")).returns(None)
    media.expect(Head("a")).returns(None)
    assert await Stack().over(documents).get("a") is None
    assert await Stack().over(vectors).get("a") is None
    assert await Stack().over(media).head("a") is None


async def test_fails_on_what_it_does_not_expect_and_says_what_it_does() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get("a"))
    store = Stack().over(backend)
    with pytest.raises(
        UnexpectedOperation, match=r"unexpected Get\(key='b'.*expected \[Get\(key='a'"
    ):
        await store.get("b")
    with pytest.raises(UnexpectedOperation, match="key='b'"):
        backend.verify()


async def test_fails_when_something_expected_was_never_sent() -> None:
    def use() -> None:
        with ScriptedKeyValue() as backend:
            backend.expect(Get("a"))

    with pytest.raises(AssertionError, match=r"never sent: Get\(key='a'"):
        use()


async def test_answers_as_often_as_told() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get("a")).returns(b"1").times(2)
    backend.expect(Get("b")).returns(b"2").always()
    backend.expect(Get).returns(None)
    backend.expect(Get("never")).never_sent()
    store = Stack().over(backend)
    assert [await store.get("a") for _ in range(2)] == [b"1", b"1"]
    assert [await store.get("b") for _ in range(5)] == [b"2"] * 5
    assert await store.get("other") is None
    backend.verify()
    for key in ("a", "never"):
        with pytest.raises(UnexpectedOperation):
            await store.get(key)


async def test_takes_virtual_time() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get("a")).after(2.0).returns(b"1")
    backend.expect(Get("b")).hangs()
    store = Stack().over(backend)
    assert await store.get("a") == b"1"
    assert asyncio.get_running_loop().time() == pytest.approx(2.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1000):
            await store.get("b")


async def test_raises_the_very_error_then_copies() -> None:
    backend = ScriptedKeyValue()
    error = Unavailable("down", retry_after=2.0)
    backend.expect(Get("a")).raises(error).times(2)
    store = Stack().over(backend)
    with pytest.raises(Unavailable) as first:
        await store.get("a")
    with pytest.raises(Unavailable) as second:
        await store.get("a")
    assert first.value is error
    assert second.value is not error
    assert second.value.retry_after == 2.0


async def test_keeps_the_order_where_it_is_told_to() -> None:
    backend = ScriptedKeyValue(ordered=True)
    backend.expect(Get("a"))
    backend.expect(Get("b"))
    store = Stack().over(backend)
    with pytest.raises(UnexpectedOperation):
        await store.get("b")
    await store.get("a")
    await store.get("b")


async def test_does_not_serve_what_is_taken_away() -> None:
    store = Stack().over(ScriptedKeyValue(without=(Get,)))
    with pytest.raises(Unsupported):
        await store.get("a")


async def _failures(faulty: Faulty[object], count: int = 200) -> list[str]:
    store = Stack().over(faulty)
    told: list[str] = []
    for place in range(count):
        try:
            await store.bound.send(Set(f"k{place}", b"1"))  # type: ignore[attr-defined]
        except Unavailable as error:
            told.append(f"{place} {error.sent}")
    return told


async def test_fails_by_chance_the_same_for_one_seed() -> None:
    told = [
        await _failures(
            Faulty(MemoryKeyValue(), random.Random(7), error_rate=0.3, after_commit=0.5)
        )
        for _ in range(2)
    ]
    assert told[0] == told[1]
    assert 30 < len(told[0]) < 90


async def test_fails_before_or_after_the_operation_was_carried_out() -> None:
    inner = MemoryKeyValue()
    faulty = Faulty(inner, random.Random(7), error_rate=0.5, after_commit=0.5)
    told = await _failures(faulty)
    plain = Stack().over(inner)
    for failure in told:
        place, sent = failure.split()
        assert (await plain.get(f"k{place}") == b"1") == (sent == "maybe")
    assert (faulty.before, faulty.after) == (
        sum(failure.endswith("no") for failure in told),
        sum(failure.endswith("maybe") for failure in told),
    )
    assert faulty.before
    assert faulty.after


async def test_takes_the_time_it_is_given() -> None:
    store = Stack().over(Faulty(MemoryKeyValue(), random.Random(7), latency=0.5))
    await store.set("a", b"1", ttl=10)
    await store.get("a")
    assert asyncio.get_running_loop().time() == pytest.approx(1.0)
    slow = Stack().over(
        Faulty(MemoryKeyValue(), random.Random(7), latency=lambda rng: rng.random())
    )
    await slow.get("a")
    assert 1.0 < asyncio.get_running_loop().time() < 2.0
    await asyncio.sleep(10)
    assert await store.get("a") is None


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_refuses_a_rate_that_is_none(wrong: float) -> None:
    with pytest.raises(StackError, match="error_rate must be within 0 and 1"):
        Faulty(MemoryKeyValue(), random.Random(7), error_rate=wrong)
