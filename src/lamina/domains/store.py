"""What all domains share: the unified interface, the facade's base, and the health check."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, cast

from lamina.errors import BatchFailed, Conflict, Invalid
from lamina.explained import check_operation
from lamina.operation import Operation, Send, operation
from lamina.values import Done, Failed, Page, check_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from types import TracebackType

    from lamina.bound import Bound
    from lamina.explained import Explained
    from lamina.values import Outcome

Given_contra = TypeVar("Given_contra", contravariant=True)
Got_co = TypeVar("Got_co", covariant=True)
Hit_co = TypeVar("Hit_co", covariant=True)
R = TypeVar("R")


class Store(Protocol[Given_contra, Got_co, Hit_co]):
    """The unified interface, which the facade of every domain satisfies.

    ``None`` (``False`` for delete) means absent; every failure raises ``StorageError``.
    """

    def get(self, key: str, /) -> Coroutine[Any, Any, Got_co | None]:
        """Return what is stored under *key*, None if nothing is."""
        ...

    def set(self, key: str, value: Given_contra, /) -> Coroutine[Any, Any, None]:
        """Store *value* under *key*, replacing what was there."""
        ...

    def delete(self, key: str, /) -> Coroutine[Any, Any, bool]:
        """Delete what is under *key*; tell whether something was."""
        ...

    def search(self, query: str, /) -> Coroutine[Any, Any, tuple[Hit_co, ...]]:
        """Return one page of what matches *query*."""
        ...

    def check(self) -> Coroutine[Any, Any, None]:
        """Make a real round trip; raise if the store cannot serve."""
        ...


@operation("store")
class Check(Operation[None]):
    """Make a real round trip to the backend."""

    def portable(self) -> bool:
        return False


@operation("")
class Deletion(Operation[bool]):
    """What deletions of all domains share: a repeated one tells that there was something."""

    async def settle(self, outcome: bool | Conflict, send: Send) -> bool:
        del send
        if isinstance(outcome, Conflict):
            raise outcome
        return True  # the first try may be what deleted it


async def every(ask: Callable[[str | None], Coroutine[Any, Any, Page[R]]]) -> AsyncIterator[R]:
    """Iterate over the items of all pages; *ask* gives the page at a cursor."""
    cursor: str | None = None
    while True:
        page = await ask(cursor)
        for item in page.items:
            yield item
        cursor = page.next
        if cursor is None:
            return


class Facade:
    """Typed methods over a ``Bound``; as a context manager it opens and closes it."""

    def __init__(self, bound: Bound) -> None:
        self.bound = bound
        self._scope = ""
        self._check = bound.handler(Check)

    @property
    def scope(self) -> str:
        """The tenant that it is confined to, ``""`` for none."""
        return self._scope

    def scoped(self, scope: str) -> Self:
        """Return the same store confined to one tenant; it costs a copy, nothing is rebuilt.

        Raises:
            Invalid: *scope* cannot be a key, or the store is confined already.
        """
        if self._scope:
            msg = "the store is confined to a tenant, and cannot be to another"
            raise Invalid(msg)
        check_key(scope, what="scope")
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        made._scope = scope  # noqa: SLF001  # its own class
        return made

    def __repr__(self) -> str:
        tenant = f", scope={self._scope!r}" if self._scope else ""
        return f"{type(self).__name__}({self.bound!r}{tenant})"

    def check(self) -> Coroutine[Any, Any, None]:
        """Make a real round trip to the backend; raise if it cannot serve."""
        return self._check(Check(scope=self._scope))

    def explain(self, op: Operation[Any]) -> Explained:
        """Tell what would become of *op* if it were sent now: whether it is cached, what it costs.

        Nothing is sent, counted or changed. The store's tenant is put into *op*.

        Raises:
            Invalid: *op* belongs to another tenant, or is no operation.
        """
        check_operation(op)
        if self._scope and op.scope != self._scope:
            if op.scope:
                msg = "the operation belongs to another tenant than the store"
                raise Invalid(msg)
            op = dataclasses.replace(cast("Any", op), scope=self._scope)
        return self.bound.explain(op)

    async def open(self) -> Self:
        """Connect the backend and return the store itself."""
        await self.bound.open()
        return self

    async def close(self) -> None:
        """Refuse new calls, wait for those in flight, let go of everything."""
        await self.bound.close()

    async def __aenter__(self) -> Self:
        try:
            return await self.open()
        except BaseException:
            await self.close()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def values_of(outcomes: tuple[Outcome[R], ...]) -> tuple[R, ...]:
    """Return the values of a batch all of whose items succeeded.

    Raises:
        BatchFailed: Some failed; it is caused by the first of their errors.
    """
    failed = [outcome.error for outcome in outcomes if isinstance(outcome, Failed)]
    if failed:
        msg = f"{len(failed)} of {len(outcomes)} items failed, first: {failed[0]}"
        raise BatchFailed(
            msg, outcomes=outcomes, transient=any(error.transient for error in failed)
        ) from failed[0]
    return tuple(outcome.value for outcome in outcomes if isinstance(outcome, Done))
