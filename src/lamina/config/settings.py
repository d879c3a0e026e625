"""What was read and checked, ready to be built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    """Stands in a layer for the other stack that its *section* describes, until that is built.

    Raises:
        StackError: It cannot be built.
    """

    def __init__(self, section: Section) -> None:
        self.section = section
        bound = section.stack.over(section.make()).bound
        self.backend = bound.backend
        self.capabilities = bound.capabilities
        self._shown = repr(bound)

    async def send(self, op: Operation[R]) -> R:
        """Answer nothing: it is only described.

        Raises:
            Closed: Always.
        """
        del op
        msg = f"{self.backend} is described and not yet built"
        raise Closed(msg)

    def __repr__(self) -> str:
        return self._shown


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
