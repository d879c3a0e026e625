"""Asks below for what is gathered: as one, or one by one where that has failed for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard, final

from lamina.batches import ask_each
from lamina.errors import (
    AuthError,
    Conflict,
    Corrupt,
    DeadlineExceeded,
    Rejected,
    StorageError,
)
from lamina.layers.batch.told import reported
from lamina.once import own_copy
from lamina.values import Done, Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.layers.batch.kinds import Kind
    from lamina.layers.batch.told import Told
    from lamina.operation import Handler, Operation
    from lamina.runtime import Runtime


@final
class Asker:
    """Asks for operations of one *kind*; *one* answers a single below, *many* a batch.

    Attributes:
        split: How many batches were asked again, item by item.
    """

    def __init__(
        self, kind: Kind, one: Handler[Any, Any], many: Handler[Any, Any], runtime: Runtime
    ) -> None:
        self.split = 0
        self.name = f"batch {kind.many.__name__}"
        self._kind = kind
        self._one = one
        self._many = many
        self._runtime = runtime

    async def ask(self, ops: Sequence[Operation[Any]]) -> Sequence[Told]:
        """Return what each is told, in order. Failures are told too."""
        try:
            told = await self._ask(ops)
        except StorageError as error:
            told = [Failed(error)] * len(ops)
        except Exception as error:  # such as Closed: each one's own
            told = [_own(error) for _ in ops]
        return reported(told)

    async def _ask(self, ops: Sequence[Operation[Any]]) -> Sequence[Told]:
        if len(ops) == 1:
            return (Done(await self._one(ops[0])),)
        try:
            batch = self._kind.many.gather(tuple(ops))
            return _checked(await self._many(batch), len(ops))
        except StorageError as error:
            if not _is_split(error, writes=self._kind.single.writes):
                raise
        self.split += 1
        return await ask_each(ops, self._one, self._runtime, self.name)


def _checked(outcomes: object, count: int) -> Sequence[Told]:
    if not _are_outcomes(outcomes):
        msg = f"a batch was answered by {type(outcomes).__name__}"
        raise Corrupt(msg)
    if len(outcomes) != count:
        msg = f"{len(outcomes)} answers to a batch of {count}"
        raise Corrupt(msg)
    return outcomes


def _are_outcomes(outcomes: object) -> TypeGuard[tuple[Told, ...]]:
    return isinstance(outcomes, tuple)


def _is_split(error: StorageError, *, writes: bool) -> bool:
    """Tell whether a batch that failed so may be asked again item by item.

    One item alone may have made it fail for good, and nothing was written. What refuses everybody,
    or passes by itself, is not asked again.
    """
    if error.transient or isinstance(error, AuthError | DeadlineExceeded | Rejected):
        return False
    return not writes or error.sent == "no" or isinstance(error, Conflict)


def _own(error: Exception) -> Exception:
    made = own_copy(error)
    made.__cause__ = error
    return made
