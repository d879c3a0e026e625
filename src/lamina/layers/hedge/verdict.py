"""What the end of one leg tells about the others."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, cast

from lamina.errors import DeadlineExceeded, Rejected, StorageError, Throttled
from lamina.operation import BatchOperation
from lamina.values import Failed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.operation import Operation
    from lamina.values import Outcome


class Verdict(Enum):
    """How a leg ended."""

    ANSWERED = "answered"
    FAILED = "failed"
    """For a passing reason: another leg may do better."""
    REFUSED = "refused"
    """So that nothing more may be sent, though what is out may answer."""
    FATAL = "fatal"
    """No leg can do better."""


_WORST: Final = (Verdict.REFUSED, Verdict.FAILED)


def judge(error: Exception) -> Verdict:
    """Tell whether another leg may do better where one failed with *error*.

    Nothing more is sent where a layer refused, the caller's time is over, or the backend asks
    for fewer calls or names a time to wait: to wait is for a retry.
    """
    if isinstance(error, Rejected | DeadlineExceeded | Throttled):
        return Verdict.REFUSED
    if not isinstance(error, StorageError) or not error.transient:
        return Verdict.FATAL
    return Verdict.FAILED if error.retry_after in {None, 0} else Verdict.REFUSED


def passing(op: Operation[Any], answer: Any) -> list[StorageError]:
    """Return why items of a batch failed for a passing reason; other answers are complete."""
    if not isinstance(op, BatchOperation):
        return []
    outcomes = cast("tuple[Outcome[Any], ...]", answer)
    errors = [outcome.error for outcome in outcomes if isinstance(outcome, Failed)]
    return [error for error in errors if judge(error) is not Verdict.FATAL]


def worst(errors: Iterable[StorageError]) -> Verdict:
    """Judge the items of a batch that failed for a passing reason."""
    return min(map(judge, errors), key=_WORST.index)
