"""What was read and checked, ready to be built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from lamina.errors import Closed

if TYPE_CHECKING:
    from lamina.backend import Backend
    from lamina.operation import Operation, R
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
class Elsewhere:
    """Stands in a layer for the other store that its *section* describes, until that is built.

    With *bytes* the layer gets its facade, of bytes under keys; else the stack beneath.

    Raises:
        StackError: It cannot be built.
    """

    def __init__(self, section: Section, *, bytes: bool = False) -> None:  # noqa: A002  # as `Other` says it
        self.section = section
        self.bytes = bytes
        self.bound = section.stack.over(section.make()).bound
        self.backend = self.bound.backend
        self.capabilities = self.bound.capabilities

    async def send(self, op: Operation[R]) -> R:
        """Answer nothing: it is only described.

        Raises:
            Closed: Always.
        """
        del op
        raise self._unbuilt()

    async def get_many(
        self, keys: Sequence[str], /, *, fresh: bool = False
    ) -> tuple[bytes | None, ...]:
        """Read nothing, as ``send``."""
        del keys, fresh
        raise self._unbuilt()

    async def set_many(self, items: Mapping[str, bytes], /, *, ttl: float | None = None) -> object:
        """Write nothing, as ``send``."""
        del items, ttl
        raise self._unbuilt()

    async def compare_and_set(
        self, key: str, expect: bytes | None, value: bytes, /, *, ttl: float | None = None
    ) -> None:
        """Write nothing, as ``send``."""
        del key, expect, value, ttl
        raise self._unbuilt()

    def _unbuilt(self) -> Closed:
        return Closed(f"{self.backend} is described and not yet built")

    def __repr__(self) -> str:
        return repr(self.bound)


@final
@dataclass(frozen=True, slots=True)
class Settings:
    """All of a unified storage; *connect_timeout* in seconds, *sources* the weakest first.

    *cache_bytes* is what the caches of all its stores may hold together; None for the default.
    """

    preset: str
    home: Path
    connect_timeout: float
    index_messages: bool
    cache_bytes: int | None
    sections: Mapping[str, Section]
    sources: tuple[str, ...]
