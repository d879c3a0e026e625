"""Parts of answers: pages, outcomes of a batch, answers with their expiry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar, final

from lamina.errors import StorageError

R = TypeVar("R")

T_co = TypeVar("T_co", covariant=True)


@final
@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """A part of a listing; only ``next is None`` ends it, not a short or empty page."""

    items: tuple[T_co, ...]
    next: str | None = None


@final
@dataclass(frozen=True, slots=True)
class Stamped(Generic[T_co]):
    """An answer with when it stops being true, in Unix seconds; None for never."""

    value: T_co
    expires_at: float | None = None


@final
@dataclass(frozen=True, slots=True)
class Done(Generic[T_co]):
    """One item of a batch that succeeded."""

    value: T_co


@final
@dataclass(frozen=True, slots=True)
class Failed:
    """One item of a batch that failed."""

    error: StorageError


Outcome: TypeAlias = Done[R] | Failed
