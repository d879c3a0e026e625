"""Every error that Lamina raises, drawn once.

``None`` means absent, a failure raises, a degraded answer is told by ``Call``. The tree:

    LaminaError
    ├── StackError            built wrong; raised when building, never later
    ├── Closed, WrongLoop
    └── StorageError
        ├── BackendError      Unavailable, Throttled, Corrupt, AuthError, Invalid
        ├── BatchFailed       some items failed
        ├── Conflict          a condition or version did not hold
        ├── TimedOut          one attempt ran out of time
        ├── DeadlineExceeded  the caller's own budget ran out
        ├── Rejected          CircuitOpen, LimitReached, RateLimited: nothing was sent
        └── Unsupported       this backend cannot do that
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Sent: TypeAlias = Literal["no", "maybe"]


@dataclass(frozen=True, slots=True)
class Brief:
    """What errors and logs keep of an operation: never its content."""

    operation: str
    domain: str
    target: str = ""

    def __str__(self) -> str:
        return f"{self.domain}.{self.operation}({self.target})"


class LaminaError(Exception):
    """The root of all that Lamina raises on purpose."""


class StackError(LaminaError, ValueError):
    """Something was built wrong: an order, an option, a setting."""


class Closed(LaminaError):
    """The store is closed, or its backend must be opened first."""


class WrongLoop(LaminaError):
    """The store belongs to another event loop."""


class StorageError(LaminaError):
    """An operation failed.

    Attributes:
        brief: The operation, without content; filled in on the way out.
        backend: The backend's name; filled in on the way out.
        layer: The layer that decided, or ``""`` for the backend.
        transient: Whether the same operation may succeed later.
        sent: ``"no"`` if it surely never reached the backend, else ``"maybe"``.
        retry_after: Seconds to wait before another try, when known.
        retry_exhausted: Above 0 once a retry gave up on it, so that an outer one does not multiply.
    """

    retry_exhausted: int = 0
    default_transient: ClassVar[bool] = False
    default_sent: ClassVar[Sent] = "maybe"

    def __init__(
        self,
        message: str = "",
        *,
        brief: Brief | None = None,
        backend: str = "",
        layer: str = "",
        transient: bool | None = None,
        sent: Sent | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.brief = brief
        self.backend = backend
        self.layer = layer
        self.transient = self.default_transient if transient is None else transient
        self.sent: Sent = self.default_sent if sent is None else sent
        self.retry_after = retry_after

    def __str__(self) -> str:
        where = " ".join(part for part in (self.backend, str(self.brief or "")) if part)
        message = super().__str__()
        return f"{where}: {message}" if where else message


class BackendError(StorageError):
    """The backend failed."""


class Unavailable(BackendError, ConnectionError):
    """The backend cannot be reached or says that it cannot answer now."""

    default_transient = True


class Throttled(BackendError):
    """The backend asks for fewer calls; see *retry_after*."""

    default_transient = True


class Corrupt(BackendError):
    """What is stored, or what was answered, cannot be read."""


class AuthError(BackendError):
    """The backend refuses the credentials."""


class Invalid(BackendError):
    """The operation's arguments are wrong; repeating it cannot help."""

    default_sent = "no"


class BatchFailed(StorageError):
    """Some items of a batch failed.

    Attributes:
        outcomes: ``Done`` or ``Failed`` per item, in the order asked.
    """

    def __init__(self, message: str = "", *, outcomes: Sequence[Any] = (), **known: Any) -> None:
        super().__init__(message, **known)
        self.outcomes = tuple(outcomes)


class Conflict(StorageError):
    """A condition or an expected version did not hold; nothing was written."""


class TimedOut(StorageError, TimeoutError):
    """One attempt ran out of time; whether a write happened is unknown."""

    default_transient = True


class DeadlineExceeded(StorageError, TimeoutError):
    """The caller's own time budget ran out."""


class Rejected(StorageError):
    """A layer refused; nothing was sent."""

    default_sent = "no"


class CircuitOpen(Rejected):
    """The circuit breaker is open; *retry_after* says for how much longer."""


class LimitReached(Rejected):
    """Too many operations at once."""


class RateLimited(Rejected):
    """Too many operations in this time."""


class Unsupported(StorageError):
    """This backend, or a layer above it, cannot do that."""

    default_sent = "no"
