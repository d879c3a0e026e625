"""What waits to be sent as one, what is under way, and when to send; no clock, no IO."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, final

if TYPE_CHECKING:
    from collections.abc import Hashable

W = TypeVar("W")
"""Stands for one who waits; hashed by identity."""


class BatchStatus(NamedTuple):
    """What a ``Batch`` has done since it was made, and what it does now.

    *lone* calls passed at once. *items* of the others were sent in *batches*, the largest of which
    had *largest*; *left* were gone before. *split* batches were asked again, item by item.
    *pending* calls are not yet sent, *running* batches not yet answered.
    """

    lone: int
    batches: int
    items: int
    largest: int
    left: int
    split: int
    pending: int
    running: int


class Bounds(NamedTuple):
    """A parcel holds at most so many *items* and *size* bytes, and waits at most *wait* seconds."""

    items: int
    size: int
    wait: float


@final
class Parcel(Generic[W]):
    """What is sent as one: who waits, for what, and until when.

    Attributes:
        items: What each asked, in the order they came; not changed any more once it is *sent*.
        ends: When the time is over of those who have a limit.
        due: When it is to be sent at the latest.
        waiting: How many still wait, once it is sent.
    """

    __slots__ = ("due", "ended", "ends", "group", "items", "sent", "size", "waiting")

    waiting: int

    def __init__(self, group: Group[W], due: float) -> None:
        self.group = group
        self.due = due
        self.items: dict[W, Any] = {}
        self.ends: dict[W, float] = {}
        self.size = 0
        self.sent = False
        self.ended = False

    def latest(self) -> float | None:
        """Return when the time of the last is over, None if that is never."""
        return max(self.ends.values()) if len(self.ends) == len(self.items) else None

    def over(self, now: float) -> list[W]:
        """Return whose time is over, each once."""
        found = [waiter for waiter, end in self.ends.items() if end <= now]
        for waiter in found:
            del self.ends[waiter]
        return found


@final
class Group(Generic[W]):
    """Calls of one kind with the same options: what is pending, how many are under way."""

    __slots__ = ("options", "pending", "running")

    def __init__(self, options: Hashable) -> None:
        self.options = options
        self.pending: Parcel[W] | None = None
        self.running = 1  # a lone call


@final
class Groups(Generic[W]):
    """The groups of which something is pending or under way; the others take no memory."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.by_options: dict[Hashable, Group[W]] = {}
        self.lone = self.batches = self.items = self.largest = self.left = 0

    def alone(self, options: Hashable) -> Group[W]:
        """Begin a call while nothing like it is pending or under way; its end must be told."""
        group = self.by_options[options] = Group(options)
        self.lone += 1
        return group

    def begin(self, group: Group[W], now: float) -> Parcel[W]:
        """Return a new parcel, for what is asked from now on."""
        made = group.pending = Parcel(group, now + self.bounds.wait)
        self.by_options[group.options] = group  # it may have been without a call for a moment
        return made

    def has_room(self, parcel: Parcel[W], size: int) -> bool:
        """Tell whether content of that size may be added; alone it always may."""
        return not parcel.size or parcel.size + size <= self.bounds.size

    def join(self, parcel: Parcel[W], waiter: W, op: Any, size: int) -> bool:
        """Let *op* be sent with the rest; tell whether that is to be at once."""
        parcel.items[waiter] = op
        parcel.size += size
        return len(parcel.items) >= self.bounds.items or parcel.size >= self.bounds.size

    def limit(self, parcel: Parcel[W], waiter: W, end: float, now: float) -> bool:
        """Note when a waiter's time is over; tell whether the parcel is due sooner for that.

        Half of what is left is kept for the answer.
        """
        parcel.ends[waiter] = end
        due = now + (end - now) / 2
        if due >= parcel.due:
            return False
        parcel.due = due
        return True

    def send(self, parcel: Parcel[W]) -> None:
        """Begin to send what has items and was not sent; its end must be told."""
        group, count = parcel.group, len(parcel.items)
        parcel.sent = True
        parcel.waiting = count
        if group.pending is parcel:
            group.pending = None
        group.running += 1
        self.batches += 1
        self.items += count
        self.largest = max(self.largest, count)

    def leave(self, parcel: Parcel[W], waiter: W) -> bool:
        """Forget one who waits no more; tell whether nobody is left who waits for *parcel*."""
        parcel.ends.pop(waiter, None)
        if parcel.sent:
            parcel.waiting -= 1
            return not (parcel.waiting or parcel.ended)
        del parcel.items[waiter]
        self.left += 1
        if parcel.items:
            return False
        group = parcel.group
        group.pending = None
        self._tidy(group)
        return True

    def end(self, group: Group[W]) -> None:
        """Note that a lone call, or a parcel, has ended."""
        group.running -= 1
        self._tidy(group)

    def _tidy(self, group: Group[W]) -> None:
        if not group.running and group.pending is None:
            del self.by_options[group.options]
