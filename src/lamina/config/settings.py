"""What was read and checked, ready to be built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from lamina.backend import Backend
    from lamina.stack import Stack


@final
@dataclass(frozen=True, slots=True)
class Section:
    """One domain: its stack, and how to make its backend; a repr shows no options."""

    domain: str
    backend: str
    required: bool
    stack: Stack
    make: Callable[[], Backend[Any]] = field(repr=False)


@final
@dataclass(frozen=True, slots=True)
class Settings:
    """All of a unified storage; *connect_timeout* in seconds, *sources* the weakest first."""

    preset: str
    home: Path
    connect_timeout: float
    index_messages: bool
    sections: Mapping[str, Section]
    sources: tuple[str, ...]
