"""What an answer or an error tells about the backend's health."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

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
from lamina.hooks import Hook
from lamina.layers.breaker.states import Verdict
from lamina.values import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.values import Outcome

Judged: TypeAlias = tuple[Verdict, Exception | None]
"""A verdict, and the failure behind it."""

_FAILURE: Final = (Unavailable, TimedOut)
_SUCCESS: Final = (Conflict, Invalid, AuthError, Corrupt)
_NONE: Final = (Rejected, DeadlineExceeded, Unsupported)


@final
class Judge:
    """Judges what calls raise and batches tell.

    *classify* is asked first, of each error; what is no ``Verdict``, or raised, leaves it to the
    rule. By the rule throttling tells nothing, unless *count_throttled*: the backend is well, and
    the retry budget slows us down. Of errors that are not ours only ``ConnectionError`` and
    ``TimeoutError`` are failures of the backend; the rest, defects for the most part, tell
    nothing.
    """

    def __init__(
        self,
        classify: Callable[[Exception], Verdict | None] | None = None,
        *,
        count_throttled: bool = False,
    ) -> None:
        self._classify = None if classify is None else Hook(classify, "Breaker", "classify")
        self._throttled = Verdict.FAILURE if count_throttled else Verdict.NONE

    @property
    def raised(self) -> int:
        """How often *classify* raised."""
        return 0 if self._classify is None else self._classify.raised

    def of_error(self, error: Exception) -> Verdict:
        """Judge a failed call."""
        if isinstance(error, BatchFailed):
            return self.of_outcomes(error.outcomes)[0]
        if self._classify is not None:
            told = self._classify(None, error)
            if isinstance(told, Verdict):
                return told
        if isinstance(error, Throttled):
            return self._throttled
        return _of_kind(error)

    def of_outcomes(self, outcomes: Sequence[Outcome[Any]]) -> Judged:
        """Judge a batch: one failure makes it one; it tells nothing if no item does."""
        failed = [outcome.error for outcome in outcomes if isinstance(outcome, Failed)]
        verdicts = list(map(self.of_error, failed))
        if Verdict.FAILURE in verdicts:
            return Verdict.FAILURE, failed[verdicts.index(Verdict.FAILURE)]
        if Verdict.SUCCESS in verdicts or len(failed) < len(outcomes) or not outcomes:
            return Verdict.SUCCESS, None
        return Verdict.NONE, None

    def of_answer(self, answer: object) -> Judged:
        """Judge an answer: whatever it is, the backend gave one."""
        del answer
        return Verdict.SUCCESS, None


def _of_kind(error: Exception) -> Verdict:
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


_plain: Final = Judge()
of_error: Final = _plain.of_error
of_outcomes: Final = _plain.of_outcomes
