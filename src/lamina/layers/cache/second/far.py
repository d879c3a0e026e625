"""The store of the second tier: each call bounded, and its failure nobody's."""

from __future__ import annotations

import math
from asyncio import CancelledError
from typing import TYPE_CHECKING, Any, Final, cast, final

from lamina.context import Call, current
from lamina.errors import Conflict, Invalid
from lamina.timers import Timers, resumed

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from lamina.layer import Bytes
    from lamina.layers.cache.second.ledger import Pause
    from lamina.layers.cache.second.stats import Counts
    from lamina.operation import R
    from lamina.runtime import Runtime

_PART: Final = 0.5  # of what a caller's deadline leaves: the rest is for the backend


class Lost(Exception):  # it is counted and told to nobody
    """The store failed, took too long, or gave something else than was asked."""


@final
class Far:
    """Asks *store* for at most *timeout* seconds at a time, half of what a deadline leaves.

    What it fails with is counted and pauses it; a cancellation by the caller comes out as it is.
    What the store tells of its own answers stays with it.
    """

    def __init__(
        self, store: Bytes, timeout: float, runtime: Runtime, pause: Pause, counts: Counts
    ) -> None:
        self._store = store
        self._timeout = timeout
        self._runtime = runtime
        self._pause = pause
        self._counts = counts
        self._timers = Timers(last=True)

    async def get(self, keys: Sequence[str]) -> dict[str, bytes | None] | None:
        """Return what is at *keys* now, None if that cannot be told."""
        try:
            told = await self._ask(self._store.get_many(keys, fresh=True))
        except Lost:
            return None
        if not _are_values(told, len(keys)):
            self._counts.failed += 1
            return None
        return dict(zip(keys, told, strict=True))

    async def put(self, items: Mapping[str, bytes], ttl: float | None) -> bool:
        """Store *items*; tell whether they surely are."""
        try:
            await self._ask(self._store.set_many(items, ttl=ttl))
        except Lost:
            return False
        return True

    async def create(
        self, key: str, value: bytes, ttl: float | None, expect: bytes | None = None
    ) -> bool | None:
        """Store *value* if *expect* is there; tell whether it was, None if that is unknown."""
        try:
            await self._ask(self._store.compare_and_set(key, expect, value, ttl=ttl))
        except Conflict:
            return False
        except Lost:
            return None
        return True

    def close(self) -> None:
        """Give the timer back."""
        self._timers.close()

    async def _ask(self, work: Coroutine[Any, Any, R]) -> R:
        """Return what *work* gives in time.

        Raises:
            Lost: It gave nothing.
            Conflict: As it was raised.
        """
        before, now = current.get(), self._runtime.now()
        deadline = None if before is None else before.deadline
        part = math.inf if deadline is None else now + _PART * (deadline - now)
        call = Call(deadline=min(now + self._timeout, part))
        if part <= now:
            work.close()
            raise Lost
        current.set(call)
        try:
            answer = await self._limited(work, min(now + self._timeout, part))
        except Conflict:
            self._pause.answered()
            raise
        except Exception as error:
            self._counts.failed += 1
            if part >= now + self._timeout and not isinstance(error, Invalid):
                self._pause.failed(self._runtime.now())
            raise Lost from error
        finally:
            current.set(before)
        if not call.is_fresh():  # another store's, or old: it says nothing of what holds now
            self._counts.failed += 1
            raise Lost
        self._pause.answered()
        return answer

    async def _limited(self, work: Coroutine[Any, Any, R], until: float) -> R:
        try:
            waits_for = work.send(None)
        except StopIteration as answered:  # it never suspended: no timer
            answer: R = answered.value
            return answer
        entry = self._timers.start(until)
        try:
            ended: R = await resumed(work, waits_for)
        except CancelledError as cancelled:
            if not entry.was_ours():
                raise
            raise Lost from cancelled
        else:
            return ended
        finally:
            self._timers.end(entry)


def _are_values(told: object, count: int) -> bool:
    """Tell whether a store, whoever wrote it, gave what it should."""
    if not isinstance(told, tuple):
        return False
    values = cast("tuple[object, ...]", told)
    return len(values) == count and all(each is None or type(each) is bytes for each in values)
