"""Any sequence of operations answers as a plain dict would."""

from __future__ import annotations

import json
import math
from time import monotonic
from typing import TYPE_CHECKING, Any

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
from lamina.testing.contracts.backend import BackendContract, near
from lamina.testing.contracts.sequences import STORY, check_sequences
from lamina.values import Json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.operation import Operation


class ModelledKeyValue(BackendContract[KeyValue]):
    """A model and Hypothesis, which looks for a sequence that tells them apart."""

    def test_answers_as_a_dict_would(self) -> None:
        check_sequences(
            self._play, _steps, self.examples, shortest=STORY, timeout_real=self.timeout_real
        )

    async def _play(self, steps: Sequence[Operation[Any] | float]) -> None:
        model = _Model()
        async with self.opened() as store:
            for step in steps:
                if isinstance(step, int | float):
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
            took = monotonic() - model.began  # which a server's clock goes on
            assert near(told, wanted, 0.05 + took), step
        else:
            assert told == wanted, step


class _Model:
    """A key-value store that anybody can see is right."""

    def __init__(self) -> None:
        self.now = 0.0
        self.began = monotonic()
        self.values: dict[tuple[str, str], tuple[bytes, float]] = {}

    def found(self, scope: str, key: str) -> tuple[bytes, float] | None:
        found = self.values.get((scope, key))
        return found if found is not None and self.now < found[1] else None

    def answer(self, op: Any) -> Any:
        answers: dict[type[Operation[Any]], Callable[[Any], Any]] = {
            Get: self._before,
            TimeToLive: self._left,
            Delete: self._delete,
            Expire: self._expire,
            Set: self._put,
            CompareAndSet: self._compare,
            Append: self._append,
            Increment: self._increment,
        }
        return answers[type(op)](op)

    def _before(self, op: Any) -> bytes | None:
        found = self.found(op.scope, op.key)
        return None if found is None else found[0]

    def _until(self, op: Any) -> float:
        found = self.found(op.scope, op.key)
        return math.inf if found is None else found[1]

    def _left(self, op: TimeToLive) -> float | None:
        return None if self._before(op) is None else self._until(op) - self.now

    def _delete(self, op: Delete) -> bool:
        there = self._before(op) is not None
        self.values.pop((op.scope, op.key), None)
        return there

    def _expire(self, op: Expire) -> bool:
        before = self._before(op)
        if before is not None:
            self._keep(op, before, op.ttl)
        return before is not None

    def _put(self, op: Set | CompareAndSet) -> None:
        self._keep(op, op.value, op.ttl)

    def _compare(self, op: CompareAndSet) -> Any:
        return Conflict if self._before(op) != op.expect else self._put(op)

    def _append(self, op: Append) -> Any:
        stored = _decoded(self._before(op) or b"[]")
        if not isinstance(stored, list):
            return Invalid
        items: list[Any] = [*stored, *(item.thaw() for item in op.items)]
        items = items[-op.keep_last :] if op.keep_last else items
        self._add(op, Json.of(items).data)
        return len(items)

    def _increment(self, op: Increment) -> Any:
        stored = _decoded(self._before(op) or b"0")
        if not isinstance(stored, int):
            return Invalid
        self._add(op, str(stored + op.by).encode())
        return stored + op.by

    def _add(self, op: Append | Increment, value: bytes) -> None:
        until = self._until(op) if op.ttl is None else self.now + op.ttl
        self.values[op.scope, op.key] = (value, until)

    def _keep(self, op: Any, value: bytes, ttl: float | None) -> None:
        self.values[op.scope, op.key] = (value, math.inf if ttl is None else self.now + ttl)


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _steps(strategies: Any) -> Any:
    key = strategies.sampled_from(["a", "b", "é/%"])
    scope = strategies.sampled_from(["", "", "acme"])
    value = strategies.sampled_from([b"x", b"1", b"-7", b"[1]", b"{}"])
    ttl = strategies.sampled_from([None, None, 1.0, 2.5])
    expect = strategies.none() | value
    keep = strategies.sampled_from([None, 1, 2])
    items = strategies.lists(strategies.integers(0, 9).map(Json.of), min_size=1, max_size=2)
    return strategies.one_of(
        strategies.sampled_from([0.4, 0.9, 1.1, 1.7]),
        strategies.builds(Get, key, scope=scope),
        strategies.builds(Set, key, value, ttl, scope=scope),
        strategies.builds(Delete, key, scope=scope),
        strategies.builds(CompareAndSet, key, expect, value, ttl, scope=scope),
        strategies.builds(Append, key, items.map(tuple), ttl, keep, scope=scope),
        strategies.builds(Increment, key, strategies.integers(-5, 5), ttl, scope=scope),
        strategies.builds(Expire, key, ttl, scope=scope),
        strategies.builds(TimeToLive, key, scope=scope),
    )
