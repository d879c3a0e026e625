"""The states of a circuit, what may be set for one, and what it tells of itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import final


class State(Enum):
    """Where a circuit stands; the last two are set by hand and stay until reset."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"
    FORCED_OPEN = "forced open"
    DISABLED = "disabled"


class Verdict(Enum):
    """What one call tells about the backend's health."""

    SUCCESS = "success"
    FAILURE = "failure"
    NONE = "none"


@final
@dataclass(frozen=True, slots=True)
class Settings:
    """The options of a circuit; times in seconds."""

    failure_rate: float
    window: float
    buckets: int
    min_calls: int
    slow: float | None
    slow_rate: float
    break_for: float
    break_cap: float
    jitter: float
    probes: int
    probes_at_once: int
    lease: float
    last: int | None = None


@final
@dataclass(frozen=True, slots=True)
class CircuitStatus:
    """A circuit as it is now.

    *calls*, *failures* and *slow* are those in the window, while half-open those of the probes.

    *retry_after* is the seconds until a probe may pass, None if that is not known; *opened* and
    *rejected* count since the circuit was made; *cause* says why it opened last; *raised* is how
    often functions and listeners of the user's raised.
    """

    state: State
    calls: int
    failures: int
    slow: int
    opened: int
    rejected: int
    retry_after: float | None
    cause: str
    raised: int = 0
