"""The other store: asked after a failure, told in the caller's context."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, cast, final

from lamina.context import Call, current
from lamina.errors import Corrupt, StorageError
from lamina.layers.fallback.core import FallbackStatus, Policy
from lamina.layers.fallback.limited import limited
from lamina.operation import BatchOperation
from lamina.values import Done, Failed, Page

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.hooks import Hook
    from lamina.layer import Sends
    from lamina.operation import Operation, R
    from lamina.runtime import Runtime
    from lamina.timers import Timers

_asking: Final[ContextVar[tuple[object, ...]]] = ContextVar("lamina.fallback", default=())
"""Those whose other store is being asked, so that a loop of them comes to an end."""


@final
class Other:
    """The store *to*, asked about what *policy* lets through; *hook* is told before."""

    def __init__(
        self,
        to: Sends,
        policy: Policy,
        hook: Hook[[Operation[Any], StorageError], None] | None,
        runtime: Runtime,
        timers: Timers,
    ) -> None:
        self._to = to
        self._policy = policy
        self._hook = hook
        self._runtime = runtime
        self._timers = timers
        self._answered = self._failed = self._refused = 0

    def may_answer(self, op: Operation[Any], error: StorageError) -> bool:
        """Tell whether *op*, which failed with *error*, is to be asked here."""
        call = current.get()
        ends = None if call is None else call.deadline
        if not self._policy.counts(error, None if ends is None else ends - self._runtime.now()):
            return False
        reason = self._policy.refusal(op, error)
        if reason is None and self in _asking.get():
            reason = "it is being asked already"
        if reason is None:
            return True
        self._refused += 1
        error.add_note(f"not asked of {self._to.backend}: {reason}")
        return False

    async def instead(self, op: Operation[R], error: StorageError) -> R:
        """Return the answer to *op*, which failed with *error*.

        Raises:
            StorageError: *error* itself; it has a note of how this store failed too.
        """
        told = await self.ask(op, [error], of=op)
        if told is None:
            raise error
        return told.value

    async def ask(
        self, op: Operation[R], errors: Sequence[StorageError], *, of: Operation[Any]
    ) -> Done[R] | None:
        """Return the answer to *op*, which failed with *errors*; None if it fails here too."""
        if self._hook is not None:
            self._hook(None, op, errors[0])
        try:
            return Done(await self.send(op, of=of))
        except Exception as failed:  # whatever it is, the first store's error comes out
            self.note(op, errors, failed)
        return None

    async def send(self, op: Operation[R], *, of: Operation[Any]) -> R:
        """Return the answer to *op*, which is *of* an operation of the caller's, and tell so."""
        before, asking = current.get(), _asking.get()
        call = Call(deadline=None if before is None else before.deadline)
        current.set(call)
        _asking.set((*asking, self))
        try:
            asked = self._to.send(op)
            until = call.deadline
            answer = await (asked if until is None else limited(self._timers, asked, until))
            _check(op, answer)
        finally:
            current.set(before)
            _asking.set(asking)
        self._answered += 1
        if before is not None:
            brief = of.brief()
            if call.deadline is not None and call.deadline <= self._runtime.now():
                call.late.append(brief)
            call.served_by[brief] = call.served_by.get(op.brief(), self._to.backend)
            if brief not in call.degraded:
                call.degraded.append(brief)
            call.tell(before)
        return answer

    def note(self, op: Operation[Any], errors: Iterable[StorageError], failed: Exception) -> None:
        """Count that this store failed too, and attach how to the first one's *errors*.

        A write that may have arrived here is no longer one that was surely not sent.
        """
        self._failed += 1
        is_doubtful = op.writes and getattr(failed, "sent", None) != "no"
        told = f": {failed}" if isinstance(failed, StorageError) else ""
        for error in {id(error): error for error in errors}.values():
            error.add_note(f"and {self._to.backend} failed too: {type(failed).__name__}{told}")
            if error.__context__ is None and failed is not error:
                error.__context__ = failed
            if is_doubtful:
                error.sent = "maybe"

    def status(self) -> FallbackStatus:
        """Return what it has done since the stack was built."""
        raised = 0 if self._hook is None else self._hook.raised
        return FallbackStatus(self._answered, self._failed, self._refused, raised)


def _check(op: Any, answer: Any) -> None:
    """Refuse what is no answer to *op*, and would break in the hands of this layer.

    Raises:
        Corrupt: It is none.
    """
    if isinstance(op, BatchOperation):
        singles: tuple[Any, ...] = cast("Any", op).singles()
        told: tuple[Any, ...] = cast("Any", answer) if isinstance(answer, tuple) else ()
        fits = len(told) == len(singles) and all(isinstance(one, Done | Failed) for one in told)
    elif hasattr(op, "cursor"):
        fits = isinstance(answer, Page) and isinstance(cast("Any", answer).next, str | None)
    else:
        return
    if not fits:
        msg = "what it answered is no answer to that"
        raise Corrupt(msg)
