"""What would become of one operation if it were sent now, told without sending it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, Self, final

from lamina.errors import Invalid
from lamina.fields import shown
from lamina.operation import BatchOperation, Operation
from lamina.plan import PlannedOperation, Worst

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FEW: Final = 8
"""How many tags or single operations are printed."""


class Explains(Protocol):
    """A layer, as far as an explanation asks it."""

    slot: ClassVar[str]

    def explain(self, op: Operation[Any]) -> Mapping[str, object] | None:
        """Return what it knows of *op* now."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Held:
    """What a cache knows of one answer now.

    Attributes:
        cached: Whether it would be given from this process's memory; a second tier is not asked.
        age: Seconds since it was asked for below; None if it is not cached.
        left: Seconds in which it is still given without being asked for anew.
        stale: Whether it is past its time, and would be asked for anew behind the answer.
        doubtful: Whether a write whose outcome is unknown keeps it from being cached.
    """

    cached: bool = False
    age: float | None = None
    left: float | None = None
    stale: bool = False
    doubtful: bool = False

    @classmethod
    def of(cls, told: Mapping[str, Any] | None) -> Self:
        """Return what a layer told, see ``Layer.explain``; None tells nothing."""
        return cls() if told is None else cls(**{name: told[name] for name in cls.__slots__})

    def __str__(self) -> str:
        if not self.cached:
            return "not cached: a write of it is in doubt" if self.doubtful else "not cached"
        age = "" if self.age is None else f", {self.age:.3g} s old"
        left = "" if self.left is None else f", {self.left:.3g} s left"
        return f"cached{' and stale' if self.stale else ''}{age}{left}"


@final
@dataclass(frozen=True, slots=True)
class Explained:
    """What would become of one operation now; prints well.

    Attributes:
        operation: Its type and what it is about, never its content.
        key: What caches find it by, short; empty for what no cache keeps.
        tags: What it reads or makes wrong: ``keyvalue=a`` is one key, ``keyvalue *`` all keys,
            ``keyvalue@acme=a`` a tenant's.
        held: What this stack's cache knows of it, None if no cache stands in its way. A batch is
            cached if all its singles are.
        singles: The same for each single operation of a batch read, by its key.
        layers: The slots that are in its way, outermost first.
        passes: Those that it would pass now: an answer from the cache passes none below.
        worst: The worst that one call can cost, if it is not cached.
        features: What the stack can do for this type of operation.
        refused: Why it would be refused, None if it is served.
    """

    operation: str
    key: str
    tags: tuple[str, ...]
    held: Held | None
    singles: tuple[tuple[str, Held], ...]
    layers: tuple[str, ...]
    passes: tuple[str, ...]
    worst: Worst
    features: tuple[str, ...]
    refused: str | None

    @property
    def cached(self) -> bool:
        """Whether it would be answered from this process's memory."""
        return self.held is not None and self.held.cached

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return the explanation as JSON text."""
        return json.dumps(asdict(self), indent=indent)

    def __str__(self) -> str:
        if self.refused is not None:
            return f"{self.operation}\n  refused   {self.refused}"
        seconds = "no bound" if self.worst.seconds is None else f"{self.worst.seconds:g} s"
        rows = [
            ("key", self.key or "-"),
            ("tags", _some(self.tags)),
            ("cache", "keeps no answer to it" if self.held is None else str(self.held)),
            *(("", f"{key}: {held}") for key, held in self.singles[:_FEW]),
            ("passes", " > ".join(self.passes) or "-"),
            ("at worst", f"{self.worst.attempts} attempts, {seconds}"),
            ("features", ", ".join(self.features) or "-"),
        ]
        return "\n".join((self.operation, *(f"  {name:9} {text}" for name, text in rows)))


def explain(
    op: Operation[Any],
    layers: Sequence[Explains],
    planned: PlannedOperation | None = None,
    *,
    refused: str | None = None,
    used: bool = True,
) -> Explained:
    """Explain *op*, which *layers* want, outermost first; nothing is held by what is not *used*."""

    def held_of(one: Operation[Any]) -> Held:
        return Held.of(cache.explain(one) if used and cache is not None else None)

    cache = next((layer for layer in layers if layer.slot == "cache" and not op.writes), None)
    each: tuple[tuple[str, Held], ...] = ()
    held: Held | None = None
    if cache is not None:
        if issubclass(type(op), BatchOperation):
            each = tuple((_key(one), held_of(one)) for one in _singles(op))
            held = _all(each)
        else:
            held = held_of(op)
    slots = tuple(layer.slot for layer in layers)
    answered = held is not None and held.cached and not getattr(op, "fresh", False)
    return Explained(
        operation=str(op.brief()),
        key="" if op.writes else _key(op),
        tags=tuple(map(readable, op.tags())),
        held=held,
        singles=each,
        layers=slots,
        passes=slots[: slots.index("cache") + 1] if answered else slots,
        worst=Worst() if planned is None else planned.worst,
        features=() if planned is None else planned.features,
        refused=refused,
    )


def check_operation(given: object) -> None:
    """Refuse what is no operation.

    Raises:
        Invalid: It is a key, say, or the type of an operation.
    """
    if not isinstance(given, Operation):
        told = given.__name__ if isinstance(given, type) else type(given).__name__
        msg = f"an operation is explained, as Get('a') is, got {told}"
        raise Invalid(msg)


def readable(tag: str) -> str:
    """Return a tag as people read it; see ``Operation.tag``."""
    domain, _, rest = tag.partition("\0")
    scope, found, name = rest.partition("\0")
    if not found:
        return _plain(tag)
    where = f"{domain}@{scope}" if scope else domain
    return _plain(f"{where}{name}" if name.startswith("=") else f"{where} {name}")


def _plain(text: str) -> str:
    text = text.replace("\0", "/")
    return text if text.isprintable() else repr(text)


def _key(op: Operation[Any]) -> str:
    """Return what identifies *op*, without content."""
    return repr(op) if type(op).content_fields else shown(_Shown(op.identity()))


def _singles(batch: Any) -> tuple[Operation[Any], ...]:
    found: tuple[Operation[Any], ...] = batch.singles()
    return found


class _Shown:
    """Shows a tuple item by item, where ``shown`` would count them."""

    def __init__(self, identity: object) -> None:
        self._identity = identity

    def __repr__(self) -> str:
        return repr(self._identity)


def _all(each: tuple[tuple[str, Held], ...]) -> Held:
    ones = [held for _, held in each]
    cached = bool(ones) and all(held.cached for held in ones)
    ages = [held.age for held in ones if held.age is not None]
    left = [held.left for held in ones if held.left is not None]
    return Held(
        cached=cached,
        age=max(ages) if cached and ages else None,
        left=min(left) if cached and left else None,
        stale=any(held.stale for held in ones),
        doubtful=any(held.doubtful for held in ones),
    )


def _some(tags: Sequence[str]) -> str:
    more = f" and {len(tags) - _FEW} more" if len(tags) > _FEW else ""
    return (", ".join(tags[:_FEW]) + more) or "-"
