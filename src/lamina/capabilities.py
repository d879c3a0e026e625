"""What a backend, with the layers above it, can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.operation import Operation


@final
@dataclass(frozen=True, slots=True)
class Serves:
    """How an operation is served: named *features* and numeric *limits*."""

    features: frozenset[str] = frozenset()
    limits: Mapping[str, float] = field(default_factory=dict[str, float])

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", MappingProxyType(dict(self.limits)))


@final
class Capabilities(Mapping["type[Operation[Any]]", Serves]):
    """Operation type to how it is served; never changed, layers fold it into another."""

    def __init__(self, served: Mapping[type[Operation[Any]], Serves]) -> None:
        self._served = dict(served)

    def __getitem__(self, op: type[Operation[Any]]) -> Serves:
        return self._served[op]

    def __iter__(self) -> Iterator[type[Operation[Any]]]:
        return iter(self._served)

    def __len__(self) -> int:
        return len(self._served)

    def offers(self, op: type[Operation[Any]], feature: str) -> bool:
        """Tell whether *op* is served with *feature*."""
        return op in self._served and feature in self._served[op].features

    def without(self, refuses: Callable[[type[Operation[Any]]], bool]) -> Capabilities:
        """Return what remains when *refuses* is asked for each operation type."""
        return Capabilities({op: how for op, how in self._served.items() if not refuses(op)})
