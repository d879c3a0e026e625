"""Faults that the next calls meet, and how many calls there were."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, final

from lamina.testing.servers.supabase.message import Answer
from lamina.testing.servers.supabase.rest import refusal
from lamina.testing.servers.supabase.shapes import list_of, object_of

_HTML: Final = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    b"<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"
)
_BROKEN: Final = {*"\r\n\0"}
_NAMES: Final = {
    *("times", "path", "method", "status", "headers", "body", "preset"),
    *("delay", "hang", "reset"),
}


def _json(told: object) -> bytes:
    return json.dumps(told).encode()


_TIMEOUT: Final = {"code": "57014", "details": None, "hint": None}
_PRESETS: Final[dict[str, Answer]] = {
    "schema-cache": Answer(503, refusal.unreachable().body(), {"Retry-After": "0"}),
    "pool": Answer(504, refusal.pool_exhausted().body()),
    "timeout": Answer(
        500, _json({**_TIMEOUT, "message": "canceling statement due to statement timeout"})
    ),
    "throttled": Answer(429, _json({"message": "Too Many Requests"}), {"Retry-After": "1"}),
    "gateway": Answer(502, _HTML, {"Content-Type": "text/html"}),
    "no-code": Answer(500, _json({"message": "An unexpected error occurred"})),
    "html": Answer(200, _HTML, {"Content-Type": "text/html"}),
}


@dataclass(slots=True)
class Fault:
    """What happens to the next *times* calls whose path begins so, by that method."""

    times: int = 1
    path: str = "/"
    method: str | None = None
    answer: Answer | None = None
    delay: float = 0.0
    hang: bool = False
    reset: str | None = None


@final
@dataclass(slots=True)
class Faults:
    """The faults and counts of one project."""

    waiting: list[Fault] = field(default_factory=list[Fault])
    calls: Counter[str] = field(default_factory=Counter[str])

    def add(self, told: object) -> None:
        """Add one fault, or a list of them.

        Raises:
            ValueError: It is none.
        """
        faults = [_fault(each) for each in (list_of(told) or [told])]
        self.waiting.extend(faults)

    def next(self, method: str, path: str) -> Fault | None:
        """Count a call, and return the fault that it meets."""
        self.calls[f"{method} {path}"] += 1
        for fault in self.waiting:
            if path.startswith(fault.path) and fault.method in (None, method):
                fault.times -= 1
                if fault.times <= 0:
                    self.waiting.remove(fault)
                return fault
        return None

    def told(self) -> dict[str, Any]:
        return {"calls": dict(self.calls), "faults": sum(each.times for each in self.waiting)}

    def clear(self) -> None:
        self.waiting.clear()
        self.calls.clear()


def _fault(sent: object) -> Fault:
    told = object_of(sent)
    if not isinstance(sent, dict) or not told.keys() <= _NAMES:
        msg = "a fault is an object with " + ", ".join(sorted(_NAMES))
        raise ValueError(msg)
    reset, preset = told.get("reset"), told.get("preset")
    if reset not in (None, "before", "after") or preset not in (None, *_PRESETS):
        msg = f"reset is before or after, preset one of {', '.join(_PRESETS)}"
        raise ValueError(msg)
    return Fault(
        int(told.get("times", 1)),
        str(told.get("path", "/")),
        told.get("method"),
        _PRESETS[preset] if preset else _answer(told),
        float(told.get("delay", 0.0)),
        bool(told.get("hang", False)),
        reset,
    )


def _answer(told: dict[str, Any]) -> Answer | None:
    if "status" not in told:
        return None
    body = told.get("body", "")
    sent = body.encode() if isinstance(body, str) else _json(body)
    kind = "text/plain" if isinstance(body, str) else "application/json; charset=utf-8"
    more = {name: str(value) for name, value in object_of(told.get("headers")).items()}
    status = int(told["status"])
    if not 200 <= status <= 599 or any(_BROKEN & {*name, *value} for name, value in more.items()):
        msg = "status is from 200 to 599, and a header is one line"
        raise ValueError(msg)
    return Answer(status, sent, {"Content-Type": kind, **more})
