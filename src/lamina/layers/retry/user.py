"""What the user of a ``Retry`` may say and hear, and the budget that pays for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from lamina.budget import Budget
from lamina.errors import StackError
from lamina.hooks import Hook, Seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.errors import StorageError
    from lamina.site import Site


@final
class Hooks:
    """The user's functions that a retry layer asks and tells; see ``Retry``."""

    def __init__(
        self,
        when: Callable[[StorageError], bool] | None,
        on_retry: Callable[[int, float, StorageError], object] | None,
        base: Callable[[int], float] | None = None,
    ) -> None:
        self._when = when
        self._asked = Hook(self._agrees, "Retry", "when")
        self._told = None if on_retry is None else Hook(on_retry, "Retry", "on_retry")
        self.base = None if base is None else Seconds(base, "Retry", "base")

    @property
    def raised(self) -> int:
        """How often they raised."""
        return sum(one.raised for one in (self._asked, self._told, self.base) if one is not None)

    def allow(self, error: StorageError) -> bool:
        """Tell whether the user has nothing against a repetition after *error*."""
        return self._when is None or self._asked(True, error)  # noqa: FBT003  # unless it raises

    def tell(self, attempt: int, delay: float, error: StorageError) -> None:
        """Tell that another attempt follows after *delay* seconds."""
        if self._told is not None:
            self._told(None, attempt, delay, error)

    def _agrees(self, error: StorageError) -> bool:
        return self._when is None or bool(self._when(error))


def budget_at(site: Site, capacity: int | None, shared: str | None) -> Budget:
    """Return the one retry budget of the stack, which may have the name *shared*.

    Raises:
        StackError: The stack has another, or the name is in use with another capacity.
    """
    mine = Budget(capacity)
    if shared is not None:
        mine = site.shared("retry budget", shared, capacity, lambda: Budget(capacity))
    found = site.common.paid_from(lambda: mine)
    if found is not mine and (shared is not None or found.capacity != mine.capacity):
        msg = "Retry: budget and shared must be the same for all of one stack, which has one budget"
        raise StackError(msg)
    return found
