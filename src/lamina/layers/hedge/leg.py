"""One sending of an operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from lamina.errors import StorageError

if TYPE_CHECKING:
    import asyncio

    from lamina.context import Call


@final
class Leg:
    """One sending of the operation, and how it ended."""

    __slots__ = ("answer", "began", "call", "error", "number", "partial", "task")

    def __init__(self, number: int, call: Call, began: float) -> None:
        self.number = number
        self.call = call
        self.began = began
        self.task: asyncio.Task[None] | None = None
        self.answer: Any = None
        self.partial = False  # the answer to a batch, of which items failed for a passing reason
        self.error: Exception | None = None

    def is_out(self) -> bool:
        """Tell whether it is under way."""
        return self.task is not None and not self.task.done()

    def is_broken(self) -> bool:
        """Tell whether it ended as no operation does: cancelled, or with no ``Exception``."""
        task = self.task
        if task is None or not task.done():
            return False
        return task.cancelled() or task.exception() is not None

    def may_have_arrived(self) -> bool:
        """Tell whether the backend may have carried it out."""
        return not isinstance(self.error, StorageError) or self.error.sent == "maybe"
