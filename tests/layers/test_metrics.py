"""Metrics counts and times calls and attempts, and never gets in their way."""

from __future__ import annotations

import asyncio

import pytest

from lamina.backend import serves
from lamina.backends.memory import MemoryKeyValue
from lamina.domains.keyvalue import Get, KeyValue, KeyValueBackend
from lamina.errors import Unavailable
from lamina.layer import Layer
from lamina.layers.metrics import Metrics, Series
from lamina.layers.metrics.series import BOUNDS
from lamina.operation import Handler, Op, R
from lamina.stack import Stack


class Unsteady(KeyValueBackend):
    """Takes a second; fails the first *failures* reads."""

    name = "unsteady"

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        await asyncio.sleep(1)
        if self.failures:
            self.failures -= 1
            msg = "not now"
            raise Unavailable(msg)
        return b""


class Twice(Layer):
    """Asks again after a failure."""

    slot = "retry"
    repeats = True

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        try:
            return await inner(op)
        except Unavailable:
            return await inner(op)


def metrics_of(store: KeyValue) -> Metrics:
    layer = store.bound.layer(Metrics)
    assert layer is not None
    return layer


async def test_calls_and_attempts_are_counted_apart() -> None:
    store = Stack(Metrics(), Twice()).over(Unsteady(failures=1))

    await store.get("a")
    await store.get("a")

    told = metrics_of(store).summary()["Get"]
    assert (told["calls"]["succeeded"], told["calls"]["failed"]) == (2, 0)
    assert (told["attempts"]["succeeded"], told["attempts"]["failed"]) == (2, 1)
    assert told["attempts"]["errors"] == {"Unavailable": 1}
    assert told["calls"]["seconds"] == pytest.approx(3.0)


async def test_without_a_layer_that_repeats_nothing_is_counted_twice() -> None:
    store = Stack(Metrics()).over(MemoryKeyValue())

    await store.get("a")

    assert "attempts" not in metrics_of(store).summary()["Get"]
    assert [layer.slot for layer in store.bound.plan().layers] == ["metrics"]


async def test_errors_and_cancellations_are_counted_by_name() -> None:
    store = Stack(Metrics()).over(Unsteady(failures=1))

    with pytest.raises(Unavailable):
        await store.get("a")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await store.get("a")

    told = metrics_of(store).summary()["Get"]["calls"]
    assert told["errors"] == {"Unavailable": 1, "CancelledError": 1}


async def test_quantiles_are_within_the_width_of_a_bucket() -> None:
    store = Stack(Metrics()).over(Unsteady())

    await asyncio.gather(*(store.get("a") for _ in range(20)))

    assert metrics_of(store).summary()["Get"]["calls"]["p99"] == pytest.approx(1.0, rel=0.19)


def test_a_series_without_calls_has_no_quantile() -> None:
    assert Series().quantile(0.5) is None


def test_a_duration_beyond_the_last_bucket_counts_there() -> None:
    series = Series()
    series.counts[-1] += 1

    assert series.quantile(0.5) == BOUNDS[-1]


async def test_a_sink_is_told_each_call() -> None:
    told: list[tuple[str, float, str | None]] = []

    def sink(operation: str, seconds: float, error: BaseException | None) -> None:
        told.append((operation, seconds, error and type(error).__name__))

    store = Stack(Metrics(sink=sink)).over(Unsteady(failures=1))
    with pytest.raises(Unavailable):
        await store.get("a")
    await store.get("a")

    assert told == [("Get", 1.0, "Unavailable"), ("Get", 1.0, None)]


async def test_a_sink_that_raises_never_fails_the_call() -> None:
    def sink(operation: str, seconds: float, error: BaseException | None) -> None:
        raise RuntimeError(operation)

    store = Stack(Metrics(sink=sink)).over(Unsteady(failures=1))

    with pytest.raises(Unavailable):
        await store.get("a")
    assert await store.get("a") == b""

    assert metrics_of(store).sink_failures == 2


async def test_two_stores_under_one_stack_count_apart() -> None:
    stack = Stack(Metrics())
    one, other = stack.over(MemoryKeyValue()), stack.over(MemoryKeyValue())

    await one.get("a")

    assert metrics_of(one).summary()["Get"]["calls"]["succeeded"] == 1
    assert metrics_of(other).summary() == {}
