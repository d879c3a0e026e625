"""Any sequence of operations answers as a plain dict would."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from lamina.domains.keyvalue import (
    Append,
    CompareAndSet,
    Delete,
    Expire,
    Get,
    Increment,
    KeyValue,
    Scan,
    Set,
    TimeToLive,
)
from lamina.errors import Conflict, Invalid
from lamina.testing.clock import run
from lamina.testing.contracts.backend import BackendContract
from lamina.values import Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.operation import Operation


class ModelledKeyValue(BackendContract[KeyValue]):
    """A model and Hypothesis, which looks for a sequence that tells them apart."""

    examples = 40
    """How many sequences are tried."""

    def test_answers_as_a_dict_would(self) -> None:
        hypothesis = pytest.importorskip("hypothesis")
        strategies = pytest.importorskip("hypothesis.strategies")

        @hypothesis.settings(
            max_examples=self.examples,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(strategies.lists(_steps(strategies), max_size=25))
        def check(steps: Sequence[Operation[Any] | float]) -> None:
            run(self._play(steps))

        check()

    async def _play(self, steps: Sequence[Operation[Any] | float]) -> None:
        model = _Model()
        async with self.opened() as store:
            for step in steps:
                if isinstance(step, float):
                    model.now += step
                    await self.elapse(step)
                elif type(step) in store.bound.capabilities:
                    await self._compare(store, model, step)
            alive = sorted(key for scope, key in model.values if not scope and model.found("", key))
            if Scan in store.bound.capabilities:
                assert sorted({key async for key in store.scan()}) == alive

    @staticmethod
    async def _compare(store: KeyValue, model: _Model, step: Operation[Any]) -> None:
        wanted = model.answer(step)
        try:
            told = await store.bound.send(step)
        except (Conflict, Invalid) as error:
            told = type(error)
        if isinstance(wanted, float) and isinstance(told, float):
            assert told == pytest.approx(wanted, abs=0.05), step
        else:
            assert told == wanted, step


class _Model:
    """A key-value store that anybody can see is right."""

    def __init__(self) -> None:
        self.now = 0.0
        self.values: dict[tuple[str, str], tuple[bytes, float]] = {}

    def found(self, scope: str, key: str) -> tuple[bytes, float] | None:
        found = self.values.get((scope, key))
        return found if found is not None and self.now < found[1] else None

    def answer(self, op: Any) -> Any:
        found = self.found(op.scope, op.key)
        before, until = found or (None, math.inf)
        match op:
            case Get():
                return before
            case TimeToLive():
                return None if found is None else until - self.now
            case Delete():
                self.values.pop((op.scope, op.key), None)
                return found is not None
            case Expire():
                return found is not None and self._put(op, before, op.ttl) is None
            case CompareAndSet() if before != op.expect:
                return Conflict
            case Set() | CompareAndSet():
                return self._put(op, op.value, op.ttl)
            case _:
                return self._add(op, before, until)

    def _put(self, op: Any, value: Any, ttl: float | None) -> None:
        self.values[op.scope, op.key] = (value, math.inf if ttl is None else self.now + ttl)

    def _add(self, op: Any, before: bytes | None, until: float) -> Any:
        try:
            stored = json.loads(before or (b"0" if isinstance(op, Increment) else b"[]"))
        except ValueError:
            return Invalid
        if type(stored) is not (int if isinstance(op, Increment) else list):
            return Invalid
        if isinstance(op, Increment):
            value, told = str(stored + op.by).encode(), stored + op.by
        else:
            items = [*stored, *(item.thaw() for item in op.items)]
            items = items[-op.keep_last :] if op.keep_last else items
            value, told = Json.of(items).data, len(items)
        self.values[op.scope, op.key] = (value, self.now + op.ttl if op.ttl else until)
        return told


def _steps(strategies: Any) -> Any:
    key = strategies.sampled_from(["a", "b", "é/%"])
    scope = strategies.sampled_from(["", "", "acme"])
    value = strategies.sampled_from([b"x", b"1", b"-7", b"[1]", b"{}"])
    ttl = strategies.sampled_from([None, None, 1.0, 2.5])
    expect = strategies.none() | value
    keep = strategies.sampled_from([None, 1, 2])
    items = strategies.lists(strategies.integers(0, 9).map(Json.of), min_size=1, max_size=2)
    return strategies.one_of(
        strategies.sampled_from([0.4, 0.7, 1.7]),
        strategies.builds(Get, key, scope=scope),
        strategies.builds(Set, key, value, ttl, scope=scope),
        strategies.builds(Delete, key, scope=scope),
        strategies.builds(CompareAndSet, key, expect, value, ttl, scope=scope),
        strategies.builds(Append, key, items.map(tuple), ttl, keep, scope=scope),
        strategies.builds(Increment, key, strategies.integers(-5, 5), ttl, scope=scope),
        strategies.builds(Expire, key, ttl, scope=scope),
        strategies.builds(TimeToLive, key, scope=scope),
    )
