"""One bound over the bytes of several caches."""

from __future__ import annotations

from typing import TYPE_CHECKING, final
from weakref import ref

from lamina.options import check_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.layers.cache.shelf import Shelf


@final
class Ceiling:
    """Let the shelves that join it hold *max_bytes* together, each as much of it as it needs.

    When all is taken, the shelf that is fullest lets go of an entry: the one that holds the
    largest part of its own ``max_bytes``. So a shelf in much use takes what the others leave, but
    cannot push one below its share. What is of no use any more leaves first. It knows its shelves
    weakly; all of them are used on one event loop.

    Raises:
        StackError: *max_bytes* is no whole number from 1.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        check_whole(self, "max_bytes", least=1)
        self._known: dict[int, ref[Shelf]] = {}

    @property
    def bytes(self) -> int:
        """How many bytes its shelves hold together."""
        return int(sum(shelf.currsize for shelf in self.shelves()))

    def join(self, shelf: Shelf) -> None:
        """Hold *shelf* under this ceiling, and under no other from now on."""
        if shelf.ceiling is not None:
            shelf.ceiling.leave(shelf)
        shelf.ceiling = self
        self._known[id(shelf)] = ref(shelf)
        self.make_room(0, float("-inf"))

    def leave(self, shelf: Shelf) -> None:
        """Let *shelf* go, with what it holds; nothing happens if it is not under this ceiling."""
        if shelf.ceiling is self:
            shelf.ceiling = None
            del self._known[id(shelf)]

    def make_room(self, size: int, now: float, asking: Shelf | None = None) -> None:
        """Evict until *size* bytes more have room, for *asking*; *now* is loop time."""

        def fullness(shelf: Shelf) -> float:
            return (shelf.currsize + (size if shelf is asking else 0)) / shelf.maxsize

        while self.bytes + size > self.max_bytes:
            held = [shelf for shelf in self.shelves() if shelf]
            spent = (shelf for shelf in held if shelf.spent(now))
            (next(spent, None) or max(held, key=fullness)).evict(now)

    def shelves(self) -> Iterator[Shelf]:
        """Go through its shelves, in the order they joined; those gone are forgotten."""
        for key, known in tuple(self._known.items()):
            shelf = known()
            if shelf is None:
                del self._known[key]
            else:
                yield shelf
