"""Which failures another store may answer for; no clock, no IO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from lamina.errors import (
    AuthError,
    BackendError,
    BatchFailed,
    Conflict,
    DeadlineExceeded,
    Invalid,
    Rejected,
    StorageError,
    Throttled,
    TimedOut,
    Unavailable,
    Unsupported,
)

if TYPE_CHECKING:
    from lamina.operation import Operation

LISTED: Final = (Unavailable, TimedOut, Throttled, Rejected)
"""What says that the first store cannot answer now."""

NEVER: Final = (BatchFailed, Conflict, Invalid, AuthError, Unsupported, DeadlineExceeded)
"""What another store must not answer for: an answer of the first, or the caller's own doing."""

_COVER: Final = (StorageError, BackendError)  # some of those


@final
class FallbackStatus(NamedTuple):
    """What a fallback has done since the stack was built.

    *answered* by the other store, *failed* there too, *refused*: a failure of a listed class whose
    operation the other store may not answer; *raised* by the hook.
    """

    answered: int
    failed: int
    refused: int
    raised: int


def is_listable(kind: object) -> bool:
    """Tell whether another store may answer for errors of this class."""
    return (
        isinstance(kind, type)
        and issubclass(kind, StorageError)
        and not issubclass(kind, NEVER)
        and kind not in _COVER
    )


@final
@dataclass(frozen=True, slots=True)
class Policy:
    """Which failures count, and which operations may be asked elsewhere."""

    on: tuple[type[StorageError], ...]
    reserve: float

    def counts(self, error: StorageError, left: float | None) -> bool:
        """Tell whether *error* is listed; *left* are the caller's seconds, None for no end.

        None does once those are over. A deadline that was exceeded before is the first store's.
        """
        if left is not None and left <= 0:
            return False
        if isinstance(error, DeadlineExceeded):
            return self.reserve > 0 and left is not None
        return isinstance(error, self.on)

    def refusal(self, op: Operation[Any], error: StorageError) -> str | None:
        """Return why the other store may not answer *op*, None if it may."""
        is_doubtful = op.writes and error.sent != "no"
        return self.stays(op) or ("this write may have arrived" if is_doubtful else None)

    def stays(self, op: Operation[Any]) -> str | None:
        """Return why no other store may answer *op*, whatever happens; None if one may."""
        if not op.portable():
            return "it goes on from what this store alone gave"
        if getattr(op, "fresh", False):
            return "a fresh read is answered by this store or not at all"
        return None
