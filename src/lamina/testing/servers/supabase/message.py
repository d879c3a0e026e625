"""A call and its answer, whatever the HTTP server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lamina.testing.servers.supabase.access import Caller


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked; *path* is behind ``/rest/v1`` or ``/storage/v1``, percent-decoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    prefer: Sequence[str]
    body: bytes
    caller: Caller

    def header(self, name: str) -> str:
        return self.headers.get(name, "")


@dataclass(slots=True)
class Answer:
    """What is answered."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict[str, str])
