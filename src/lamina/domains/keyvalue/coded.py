"""Values through a codec: the backend sees other bytes, and conditions are carried out anew."""

from __future__ import annotations

import math
from contextlib import suppress
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast, final

from lamina.domains.coded import C, codes
from lamina.domains.keyvalue.coded_reads import CodedReads, place_of
from lamina.domains.keyvalue.notes import noted, told_before
from lamina.domains.keyvalue.operations import (
    Append,
    CompareAndSet,
    Delete,
    Expire,
    Get,
    GetStamped,
    Increment,
    Scan,
    Set,
    SetMany,
    TimeToLive,
)
from lamina.domains.keyvalue.turns import Turns
from lamina.domains.lists import appended, counted
from lamina.domains.store import Check
from lamina.errors import Conflict
from lamina.values import Outcome, Stamped

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.domains.coded import Worker
    from lamina.errors import Sent
    from lamina.operation import Handler
    from lamina.site import Site

_TRIES: Final = 16
_SAME: Final = 3  # tries to replace a value that others write anew in other bytes
_SHORTEST: Final = 0.001  # seconds that are left to a key whose time ran out just now

_DOUBTS: Final = {"retry", "hedge"}  # a conflict may be with an attempt whose answer was lost

_Changed: TypeAlias = "tuple[bytes | None, int]"
"""What to store (None: nothing, it was done before), and the answer."""
_Change: TypeAlias = "Callable[[Any, bytes | None, str | None], _Changed]"
"""Gives it for an operation, what is stored, and the key under which it is noted as done."""


@final
class CodedKeyValue(CodedReads[C]):
    """Keys, times to live and sizes stay as they are; values pass the codec.

    A compare-and-set reads, compares, and writes in place of the bytes that it read. Appends and
    counters are read, changed and written so too: own ones take turns at a key, and one that
    another process overtakes is tried again, 16 times in all. Idempotency keys are noted within
    the value, the last 64 of them, and are forgotten with it. Over a layer that repeats, each
    change is noted so, or one that was carried out, unknown to us, would be made again.
    """

    clear = frozenset({Check, Delete, Expire, TimeToLive, Scan})

    def __init__(self, codec: C, worker: Worker, site: Site) -> None:
        super().__init__(codec, worker, site)
        self._turns = Turns(codec.layer, site.runtime)
        self._doubts = not _DOUBTS.isdisjoint(site.slots_below)

    @codes(Set)
    def set(self, inner: Handler[Any, Any]) -> Handler[Set, None]:
        codec, worker = self._codec, self._worker

        async def answer(op: Set) -> None:
            at = place_of(op.scope, op.key)
            data = await worker.run(len(op.value), codec.encode, op.value, at)
            await inner(Set(op.key, data, op.ttl, scope=op.scope))

        return answer

    @codes(SetMany)
    def set_many(self, inner: Handler[Any, Any]) -> Handler[SetMany, tuple[Any, ...]]:
        async def answer(op: SetMany) -> tuple[Outcome[None], ...]:
            weight = sum(len(value) for _, value in op.items)
            items = await self._worker.run(weight, self._encode_each, op)
            return cast(
                "tuple[Outcome[None], ...]", await inner(SetMany(items, op.ttl, scope=op.scope))
            )

        return answer

    @codes(CompareAndSet, Get, most=2 * _SAME)
    def compare_and_set(self, inner: Handler[Any, Any]) -> Handler[CompareAndSet, None]:
        read = self._below(Get)

        async def answer(op: CompareAndSet) -> None:
            for tries_left in reversed(range(_SAME)):
                found: bytes | None = None
                if op.expect is not None:
                    found = await read(Get(op.key, fresh=True, scope=op.scope))
                weight = len(op.value) + (self._codec.weight(found) if found else 0)
                new = await self._worker.run(weight, self._replaced, op, found)
                try:
                    await inner(CompareAndSet(op.key, found, new, op.ttl, scope=op.scope))
                    return
                except Conflict:  # with the same value in other bytes it still holds
                    if op.expect is None or not tries_left:
                        raise

        return answer

    @codes(Append, GetStamped, CompareAndSet, gains=("idempotency",), most=2 * _TRIES, waits=True)
    def append(self, inner: Handler[Any, Any]) -> Handler[Append, int]:
        del inner
        return self._changing(self._appended)

    @codes(Increment, GetStamped, CompareAndSet, most=2 * _TRIES, waits=True)
    def increment(self, inner: Handler[Any, Any]) -> Handler[Increment, int]:
        del inner
        return self._changing(self._counted)

    def _changing(self, change: _Change) -> Handler[Append | Increment, int]:
        """Return a handler that reads, changes and writes until nobody comes between."""
        sleep, rng = self._site.runtime.sleep, self._site.runtime.rng

        async def answer(op: Append | Increment) -> int:
            once = op.idempotency if isinstance(op, Append) else None
            if once is None and self._doubts:
                once = f"\0{token_hex(8)}"  # no caller's key has a NUL
            async with self._turns.at((op.scope, op.key)):
                for tried in range(_TRIES):
                    if tried:
                        await sleep(rng.random() * min(0.001 * 2**tried, 0.05))
                    with suppress(Conflict):
                        return await self._change(op, change, once)
            msg = f"others wrote this key at each of {_TRIES} tries"
            sent: Sent = "maybe" if self._doubts else "no"
            raise Conflict(msg, layer=self._codec.layer, transient=True, sent=sent)

        return answer

    async def _change(self, op: Append | Increment, change: _Change, once: str | None) -> int:
        told = await self._below(GetStamped)(GetStamped(op.key, fresh=True, scope=op.scope))
        stored = told.value if self._left(told) > 0 else None
        weight = 0 if stored is None else self._codec.weight(stored)
        new, answer = await self._worker.run(weight, change, op, stored, once)
        if new is not None:
            left = max(self._left(told), _SHORTEST)
            ttl = None if stored is None or math.isinf(left) else left
            ttl = ttl if op.ttl is None else op.ttl
            write = CompareAndSet(op.key, stored, new, ttl, scope=op.scope)
            await self._below(CompareAndSet)(write)
        return answer

    def _left(self, told: Stamped[bytes | None]) -> float:
        at = told.expires_at
        return math.inf if at is None else at - self._site.runtime.wall()

    def _replaced(self, op: CompareAndSet, found: bytes | None) -> bytes:
        data, notes = self._before(op, found)
        if data != op.expect:
            msg = "the key holds another value than expected"
            raise Conflict(msg)
        return self._after(op, op.value, notes)

    def _appended(self, op: Append, stored: bytes | None, once: str | None) -> _Changed:
        data, notes = self._before(op, stored)
        before = told_before(notes, once)
        if before is not None:
            return None, before
        data, length = appended(data, op.items, op.keep_last)
        return self._after(op, data, noted(notes, once, length)), length

    def _counted(self, op: Increment, stored: bytes | None, once: str | None) -> _Changed:
        data, notes = self._before(op, stored)
        before = told_before(notes, once)
        if before is not None:
            return None, before
        value = counted(data, op.by)
        return self._after(op, str(value).encode(), noted(notes, once, value)), value

    def _before(self, op: Any, stored: bytes | None) -> tuple[bytes | None, bytes]:
        if stored is None:
            return None, b""
        return self._codec.decode(stored, place_of(op.scope, op.key))

    def _after(self, op: Any, data: bytes, notes: bytes) -> bytes:
        return self._codec.encode(data, place_of(op.scope, op.key), notes)

    def _encode_each(self, op: SetMany) -> tuple[tuple[str, bytes], ...]:
        encode = self._codec.encode
        return tuple((key, encode(value, place_of(op.scope, key))) for key, value in op.items)
