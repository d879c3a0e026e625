"""Several subjects timed side by side: round by round, so that drift hits them alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from benchmarks.report import Progress

Subject: TypeAlias = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Timed:
    """Microseconds a call, one figure for each round."""

    rounds: tuple[float, ...]

    @property
    def quiet(self) -> float:
        """Return the first decile: what it costs when the machine is left alone for a moment."""
        return sorted(self.rounds)[len(self.rounds) // 10]

    def over(self, base: Timed) -> float:
        """Return how much more than *base* it costs, both left alone."""
        return self.quiet - base.quiet

    def ratio(self, base: Timed) -> float:
        """Return the median of the ratios to *base*, round by round."""
        pairs = zip(self.rounds, base.rounds, strict=True)
        return statistics.median(own / other for own, other in pairs)


async def side_by_side(
    subjects: Mapping[str, Subject], *, progress: Progress, rounds: int = 40, calls: int = 4000
) -> dict[str, Timed]:
    """Time each subject *rounds* times, in turn; a round is about *calls* quick calls long."""
    repeats = {name: await _repeats(subject, calls) for name, subject in subjects.items()}
    taken: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(rounds):
        progress.step(number, rounds)
        gc.collect()
        gc.disable()
        try:
            for name, subject in subjects.items():
                taken[name].append(await _timed(subject, repeats[name]))
        finally:
            gc.enable()
    progress.step(rounds, rounds)
    return {name: Timed(tuple(each)) for name, each in taken.items()}


async def _repeats(subject: Subject, calls: int) -> int:
    """Return how often to call, so that slow subjects take no longer than quick ones."""
    took = min([await _timed(subject, 20) for _ in range(3)])  # the first may be cold
    return max(20, int(calls / max(took, 1.0)))


async def _timed(subject: Subject, repeats: int) -> float:
    began = time.perf_counter()
    for _ in range(repeats):
        await subject()
    return (time.perf_counter() - began) / repeats * 1e6
