"""Single-flight: one reader asks below, the others wait for its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from lamina.layers.cache.core import Fill
from lamina.once import Shared

if TYPE_CHECKING:
    from lamina.layers.cache.core import Identity, Table
    from lamina.layers.cache.marks import Mark


@final
class Flight(Fill, Shared[Any]):
    """A fill with those who wait for it, in the order they came."""

    def __init__(
        self,
        table: Table,
        identity: Identity,
        marks: tuple[Mark, ...],
        *,
        began: float = 0.0,
        clip: float | None = None,
    ) -> None:
        Fill.__init__(self, table, identity, marks, began=began, clip=clip)
        super(Fill, self).__init__()

    def hand_over(self) -> None:
        """Let the first who still waits ask instead; if nobody does it is under way no more."""
        super().hand_over()
        if self.ended:
            self.table.end(self)
