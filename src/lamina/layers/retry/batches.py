"""The attempts that follow a batch with failures: only of the items worth it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from lamina.errors import Conflict, StorageError, Throttled
from lamina.layers.retry.again import Again, Endings, Engine
from lamina.values import Done, Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenacity import RetryCallState

    from lamina.operation import BatchOperation, Handler, Operation
    from lamina.values import Outcome


async def send_batch(engine: Engine, op: BatchOperation[Any], inner: Handler[Any, Any]) -> Any:
    """Send a batch; repeat those of its items that are worth it."""
    mark = Endings.number
    began = engine.runtime.now()
    try:
        answers: tuple[Outcome[Any], ...] = await inner(op)
    except StorageError as error:
        again = BatchAgain(engine, op, inner, error, mark=mark, began=began)
        if not again.todo:
            raise
    else:
        if not any(isinstance(answer, Failed) for answer in answers):
            engine.budget.give(1)
            return answers
        again = BatchAgain(engine, op, inner, answers, mark=mark, began=began)
        if not again.todo:
            return answers
    return await again.answer()


class BatchAgain(Again):
    """One failing batch: what failed for good or succeeded stays, the rest is sent again.

    A batch that failed as a whole counts as each item failing so; if no attempt ever told
    outcomes, its error is raised.
    """

    def __init__(
        self,
        engine: Engine,
        op: BatchOperation[Any],
        inner: Handler[Any, Any],
        failed: Sequence[Outcome[Any]] | StorageError,
        *,
        mark: int,
        began: float,
    ) -> None:
        self.singles = op.singles()
        self.todo = list(range(len(self.singles)))
        self.doubts: set[int] = set()
        self.outcomes: list[Outcome[Any]] = []
        self.told = False
        super().__init__(engine, op, inner, None, mark=mark, began=began)
        self.failed = self._noted(failed)

    async def send(self) -> Any:
        batch = cast("BatchOperation[Any]", self.op)
        if len(self.todo) < len(self.singles):
            batch = type(batch).gather(tuple(self.singles[place] for place in self.todo))
        try:
            answers: tuple[Outcome[Any], ...] = await self.inner(batch)
        except StorageError as error:
            failed = self._noted(error)
        else:
            pairs = zip(self.todo, answers, strict=True)
            failed = self._noted([await self._settled(*pair) for pair in pairs])
        if failed is not None:
            raise failed
        return self.result()

    def result(self) -> tuple[Outcome[Any], ...]:
        """Return what is known of each item, in the order asked.

        Raises:
            StorageError: The batch failed as a whole, every time.
        """
        if not self.told and isinstance(self.outcomes[0], Failed):
            raise self.outcomes[0].error
        return tuple(self.outcomes)

    def final(self, state: RetryCallState) -> Any:
        del state
        return self.result()

    def worth(self, error: StorageError) -> bool:
        del error  # its items were judged one by one
        return bool(self.todo)

    def give_up(self, error: StorageError, reason: str) -> None:
        del error
        failed = {id(one): one for one in map(self._error, self.todo)}
        for one in failed.values():
            super().give_up(one, reason)

    def _noted(self, answers: Sequence[Outcome[Any]] | StorageError) -> StorageError | None:
        """Keep the outcomes of an attempt; return the failure to wait for, if any is left."""
        if isinstance(answers, StorageError):
            answers = [Failed(answers)] * len(self.todo)
        else:
            self.told = True
        if not self.outcomes:
            self.outcomes = list(answers)
        for place, answer in zip(self.todo, answers, strict=True):
            self.outcomes[place] = answer
        self.todo = [place for place in self.todo if self._may_repeat(place)]
        return max(map(self._error, self.todo), key=_patience, default=None)

    def _may_repeat(self, place: int) -> bool:
        outcome = self.outcomes[place]
        if not isinstance(outcome, Failed):
            return False
        if outcome.error.sent == "maybe":
            self.doubts.add(place)
            self.doubtful = True
        elif place in self.doubts:
            outcome.error.sent = "maybe"  # an earlier attempt may have arrived
        return self.engine.repeats(self.singles[place], outcome.error, self.mark)

    async def _settled(self, place: int, answer: Outcome[Any]) -> Outcome[Any]:
        """Turn what a repeated item was told into what the first try would have been."""
        if place not in self.doubts:
            return answer
        told = answer.value if isinstance(answer, Done) else answer.error
        if isinstance(answer, Failed) and not isinstance(told, Conflict):
            return answer
        single: Operation[Any] = self.singles[place]
        try:
            return Done(await single.settle(told, self.engine.send))
        except StorageError as error:
            return Failed(error)

    def _error(self, place: int) -> StorageError:
        return cast("Failed", self.outcomes[place]).error


def _patience(error: StorageError) -> tuple[float, bool]:
    """Order failures by how long they ask to wait."""
    return error.retry_after or 0.0, isinstance(error, Throttled)
