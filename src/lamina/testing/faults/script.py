"""Which fault strikes next: a queue of faults, each for one place, some for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, final, get_args

Ending = Literal["reset", "close", "hang"]
Harm = Literal["reset", "close", "hang", "corrupt"]
Place = Literal["connect", "request", "answer"]
_HARMS: Final = frozenset(get_args(Harm))


@final
@dataclass
class Fault:
    """What shall happen, where, how often, and on which connection (any if ``None``)."""

    place: Place
    how: Harm
    after: int = 0
    skip: int = 0
    times: int | None = 1
    connection: int | None = None

    def __post_init__(self) -> None:
        if self.how not in _HARMS:
            msg = f"how must be one of {', '.join(sorted(_HARMS))}, got {self.how!r}"
            raise ValueError(msg)
        if self.how == "corrupt" and self.place == "connect":
            msg = "a connection has no byte to corrupt"
            raise ValueError(msg)
        if self.after < 0 or self.skip < 0 or (self.times is not None and self.times < 1):
            msg = "after and skip must be at least 0, times at least 1"
            raise ValueError(msg)

    def strikes(self, place: Place, connection: int) -> bool:
        """Tell whether it strikes here and now, and count that."""
        if place != self.place or self.connection not in {None, connection} or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@final
class Script:
    """Faults in the order they were asked for; the first that fits strikes."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self.struck = 0

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def draw(self, place: Place, connection: int) -> Fault | None:
        """Give the fault that strikes at *place* on this *connection*, if one does."""
        for fault in list(self._faults):
            if fault.strikes(place, connection):
                self.struck += 1
                return fault
        return None
