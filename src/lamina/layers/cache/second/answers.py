"""Answers found in the second tier, and answers to be kept there: how long each holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast, final

from lamina.layers.cache.second.frame import Unreadable, unpacked, value_of
from lamina.layers.cache.second.gens import SKEW, Standing, digest
from lamina.values import Stamped

if TYPE_CHECKING:
    from lamina.layers.cache.second.kinds import Wanted
    from lamina.layers.cache.second.stats import Counts
    from lamina.runtime import Runtime


class Draft(NamedTuple):
    """An answer to be kept *life* seconds; *asked* and *until* are Unix seconds."""

    wanted: Wanted
    answer: Any
    asked: float
    until: float | None
    life: float


@final
class Look:
    """What was found in one look at *began*, loop time, before anything was asked below."""

    def __init__(self, began: float, told: dict[str, bytes | None], root: str) -> None:
        self.began = began
        self.told = told
        self.root = root
        self.standings: dict[str, Standing] = {}

    def takes(self, wanted: Wanted) -> bool:
        """Tell whether an answer may be kept under what was found, or what may be made of it."""
        standing = self.standings[wanted.key]
        return standing.free and (standing.settled or standing.replaces)

    def digest(self, wanted: Wanted) -> bytes:
        """Return what stands for the generations of one operation together."""
        return digest(self.told[self.root], wanted.gens, self.told)


@final
class Lives:
    """Judges what was found, and how long what is kept will live: *ttl*, *negative_ttl* absent."""

    def __init__(
        self, ttl: float, negative_ttl: float | None, runtime: Runtime, counts: Counts
    ) -> None:
        self._ttl = ttl
        self._negative_ttl = negative_ttl
        self._runtime = runtime
        self._counts = counts

    def hit(self, one: Wanted, look: Look) -> tuple[Any, float | None, float] | None:
        """Return the answer that was found, None if there is none that holds now."""
        data, standing = look.told[one.key], look.standings[one.key]
        try:
            kept = None if data is None else unpacked(data, one.kind.mark, one.digest)
            if kept is not None and standing.holds and kept.generations == look.digest(one):
                wall = self._runtime.wall()
                value = value_of(kept, one.kind.coder)
                age, ttl = max(wall - kept.asked, 0.0), self._life_of(value)
                timely = kept.until is None or wall < kept.until
                if ttl is not None and age < ttl and timely and kept.asked <= wall + SKEW:
                    self._counts.hits += 1
                    return value, kept.until, age
        except Unreadable:
            self._counts.unreadable += 1
        self._counts.misses += 1
        return None

    def _life_of(self, answer: Any) -> float | None:
        told = cast("Any", answer).value if isinstance(answer, Stamped) else answer
        if told is not None:
            return self._ttl
        return None if self._negative_ttl is None else min(self._negative_ttl, self._ttl)

    def draft(
        self,
        one: Wanted,
        answer: Any,
        until: float | None,
        asked: float,
        clip: float | None,
    ) -> Draft | None:
        """Return what to keep, None if it holds no longer."""
        wall, life = self._runtime.wall(), self._life_of(answer)
        if clip is not None:
            ends = wall + clip - self._runtime.now()
            until = ends if until is None else min(until, ends)
        if life is not None and until is not None:
            life = min(life, until - wall)
        return Draft(one, answer, asked, until, life) if life is not None and life > 0 else None
