"""What one register may show: a record of its writes, and the reads that came too late for them."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class Written:
    """One write: from when it may be shown, until when it may arrive, and since when it is known.

    It is *over* when it can no longer arrive; *known* once it was carried out and its writer was
    told so or had left. Each is infinite until then.
    """

    began: float
    left: float = math.inf
    over: float = math.inf
    known: float = math.inf


class Register:
    """The writes of one key, numbered from 1; number 0 is what was there before, nothing.

    A read is stale if a write is known that began when what it shows was over, and was known
    before the read began.
    """

    def __init__(self) -> None:
        self.writes = [Written(-math.inf, -math.inf, -math.inf, -math.inf)]

    def begin(self, now: float) -> int:
        self.writes.append(Written(now))
        return len(self.writes) - 1

    def told(self, number: int, now: float, again: float) -> None:
        """Note that the writer was told that it is done, though it may arrive *again* until then.

        One that was repeated after an attempt without an answer may.
        """
        one = self.writes[number]
        one.left = one.known = now
        one.over = max(now, again) if again > one.began else now

    def leave(self, number: int, now: float, doubt: float) -> None:
        """Note that the writer left, and that it may arrive for *doubt* seconds."""
        one = self.writes[number]
        one.left, one.over = now, now + doubt

    def seen(self, number: int, now: float) -> None:
        """Note that it is there, read from the server itself."""
        one = self.writes[number]
        if one.left <= now:
            one.known = min(one.known, now)

    def is_stale(self, number: int, began: float) -> bool:
        """Tell whether a read that began then may not show *number* any more."""
        over = self.writes[number].over
        return any(one.known < began and one.began > over for one in self.writes)

    def doubtful_until(self) -> float:
        """Return when every write is over."""
        return max(one.over for one in self.writes)
