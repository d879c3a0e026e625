"""What each of those who wait is told, and turned into an answer or an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, final

from lamina.context import Call, current
from lamina.errors import Corrupt
from lamina.once import own_copy, tell
from lamina.values import Done, Failed, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

Told: TypeAlias = "Outcome[Any] | Exception | _Reported"
"""An error that is not ``Failed`` is one waiter's own."""


@final
@dataclass(frozen=True, slots=True)
class _Reported:
    """What was told, and what the batch's call has collected."""

    told: Told
    call: Call


def reported(told: Sequence[Told]) -> Sequence[Told]:
    """Add what the current call has collected, if that is anything."""
    call = current.get()
    if call is None or (call.is_fresh() and not call.served_by and not call.doubtful):
        return told
    return [_Reported(each, call) for each in told]


def answer(told: Told | None) -> Any:
    """Return the answer, or raise the error, that one who waited was told.

    Raises:
        StorageError: A copy of it, ``from`` the one that others are told too.
    """
    if isinstance(told, _Reported):
        tell(told.call, current.get())
        told = told.told
    if isinstance(told, Done):
        return told.value
    if isinstance(told, Failed):
        raise own_copy(told.error) from told.error
    if isinstance(told, Exception):
        raise told
    msg = f"an item of a batch was answered by {type(told).__name__}"
    raise Corrupt(msg)
