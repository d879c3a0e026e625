"""What a scripted server does with one request."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, final

if TYPE_CHECKING:
    from lamina.testing.faults.script import Ending


@final
@dataclass(frozen=True)
class Answer:
    """Answer with *status*, *body* and *headers*; what is no text or bytes is sent as JSON."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def encoded(self) -> tuple[bytes, dict[str, str]]:
        """Give the body's bytes, and the headers with its type and length."""
        kind = "text/plain; charset=utf-8"
        if isinstance(self.body, bytes):
            data, kind = self.body, "application/octet-stream"
        elif isinstance(self.body, str):
            data = self.body.encode()
        else:
            data, kind = json.dumps(self.body).encode(), "application/json"
        given = {name.lower(): value for name, value in self.headers.items()}
        return data, {"content-type": kind, "content-length": str(len(data)), **given}


@final
@dataclass(frozen=True)
class Hang:
    """Read the request and never answer, until the client leaves."""


@final
@dataclass(frozen=True)
class Reset:
    """Read the request and reset the connection: it was sent, but is not answered."""


@final
@dataclass(frozen=True)
class Close:
    """Read the request and close the connection."""


@final
@dataclass(frozen=True)
class Garbage:
    """Send *data*, which is no answer, and close."""

    data: bytes = b"\x00\xff\x80 this is no answer \r\n\x00\r\n\r\n"


@final
@dataclass(frozen=True)
class Truncate:
    """Send an answer (the default one) only to *after* bytes of its body, then end."""

    after: int
    then: Step | None = None
    ends: Ending = "close"


@final
@dataclass(frozen=True)
class Delay:
    """Wait *seconds*, then do what *then* says (the default)."""

    seconds: float
    then: Step | None = None


Act = bytes | Answer | Hang | Reset | Close | Garbage | Truncate | Delay
"""Bytes are sent as they are."""

Step: TypeAlias = Act | Callable[[Any], "Step"]
"""A callable is given the request and chooses."""


def chosen(step: Step, asked: object) -> Act:
    """Let callables choose what to do with what was *asked*."""
    while not isinstance(step, Act):
        step = step(asked)
    return step
