"""What a stack will do, as frozen data that prints as a table or as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Worst:
    """The worst one call can cost: *attempts* at the backend, *seconds* (None: no bound)."""

    attempts: int = 1
    seconds: float | None = None


@final
@dataclass(frozen=True, slots=True)
class PlannedLayer:
    """One layer: its slot, its text with options, and how it shares state."""

    slot: str
    layer: str
    shared: str | None = None


@final
@dataclass(frozen=True, slots=True)
class PlannedOperation:
    """One operation type: the slots it passes, outermost first, and its worst case."""

    operation: str
    writes: bool
    slots: tuple[str, ...]
    worst: Worst
    features: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True)
class Lost:
    """An operation that the backend serves and a layer took away."""

    operation: str
    layer: str


@final
@dataclass(frozen=True, slots=True)
class Warned:
    """What is legal and seldom meant: the *code* of the warning, what it is about, what to do."""

    code: str
    text: str
    fix: str


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """A stack over a backend, described."""

    backend: str
    layers: tuple[PlannedLayer, ...]
    operations: tuple[PlannedOperation, ...]
    lost: tuple[Lost, ...]
    amplification: int
    """Most attempts that one call can turn into."""
    warnings: tuple[Warned, ...] = ()
    """What to think about; nothing of it is refused."""

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return the plan as JSON text."""
        return json.dumps(asdict(self), indent=indent)

    def __str__(self) -> str:
        rows = [("operation", "layers, outermost first", "attempts", "seconds", "features")]
        for op in self.operations:
            seconds = "no bound" if op.worst.seconds is None else f"{op.worst.seconds:g}"
            path = " > ".join(op.slots) or "-"
            features = ", ".join(op.features) or "-"
            rows.append((op.operation, path, str(op.worst.attempts), seconds, features))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [f"stack over {self.backend}, outermost first:"]
        for layer in self.layers:
            shared = f"  (shared as {layer.shared!r})" if layer.shared else ""
            lines.append(f"  {layer.slot:16} {layer.layer}{shared}")
        lines += ["", f"worst case ({self.amplification} attempts for one call at the most):"]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            lines.append("  " + "  ".join(cells).rstrip())
        lines += [f"  lost: {lost.operation} at {lost.layer}" for lost in self.lost]
        lines += [f"  {warned.code}: {warned.text}; {warned.fix}" for warned in self.warnings]
        return "\n".join(lines)
