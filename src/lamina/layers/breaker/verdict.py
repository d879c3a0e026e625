"""What an answer or an error tells about the backend's health."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from lamina.errors import (
    AuthError,
    BatchFailed,
    Conflict,
    Corrupt,
    DeadlineExceeded,
    Invalid,
    Rejected,
    StorageError,
    Throttled,
    TimedOut,
    Unavailable,
    Unsupported,
)
from lamina.layers.breaker.core import Verdict
from lamina.values import Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.values import Outcome

Judged: TypeAlias = tuple[Verdict, Exception | None]
"""A verdict, and the failure behind it."""

_FAILURE: Final = (Unavailable, TimedOut)
_SUCCESS: Final = (Conflict, Invalid, AuthError, Corrupt)
_NONE: Final = (Rejected, DeadlineExceeded, Unsupported, Throttled)


def of_error(error: Exception) -> Verdict:
    """Judge a failed call.

    Throttling tells nothing: the backend is well, and the retry budget slows us down. Of errors
    that are not ours only ``ConnectionError`` and ``TimeoutError`` are failures of the backend;
    the rest, defects for the most part, tell nothing.
    """
    if isinstance(error, BatchFailed):
        return of_outcomes(error.outcomes)[0]
    if not isinstance(error, StorageError):
        unreachable = isinstance(error, ConnectionError | TimeoutError)
        return Verdict.FAILURE if unreachable else Verdict.NONE
    if isinstance(error, _FAILURE):
        return Verdict.FAILURE
    if isinstance(error, _NONE):
        return Verdict.NONE
    if isinstance(error, _SUCCESS):
        return Verdict.SUCCESS
    return Verdict.FAILURE if error.transient else Verdict.SUCCESS


def of_outcomes(outcomes: Sequence[Outcome[Any]]) -> Judged:
    """Judge a batch: one failure makes it one; it tells nothing if no item does."""
    failed = [outcome.error for outcome in outcomes if isinstance(outcome, Failed)]
    verdicts = {of_error(error) for error in failed}
    if Verdict.FAILURE in verdicts:
        worst = next(error for error in failed if of_error(error) is Verdict.FAILURE)
        return Verdict.FAILURE, worst
    if Verdict.SUCCESS in verdicts or len(failed) < len(outcomes) or not outcomes:
        return Verdict.SUCCESS, None
    return Verdict.NONE, None


def of_answer(answer: object) -> Judged:
    """Judge an answer: whatever it is, the backend gave one."""
    del answer
    return Verdict.SUCCESS, None
