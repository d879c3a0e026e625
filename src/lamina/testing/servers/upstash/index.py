"""One index: its namespaces, its dimension, and what it is asked within."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, final

from lamina.testing.servers.upstash.namespace import Namespace
from lamina.testing.servers.upstash.options import METRICS
from lamina.testing.servers.upstash.refusals import wrong_dimension

if TYPE_CHECKING:
    from lamina.testing.servers.upstash.kinds import IndexKind
    from lamina.testing.servers.upstash.options import Options


@final
class Index:
    """Namespaces of one kind; hold `lock` while using it.

    *dimension* None is open: the first vector decides, until the index is empty again.
    """

    def __init__(self, name: str, kind: IndexKind, dimension: int | None, metric: str) -> None:
        self.name = name
        self.kind = kind
        self.metric = metric
        self.lock = Lock()
        self._given = None if kind.vectors == "sparse" else dimension
        self._found: int | None = None
        self.namespaces: dict[str, Namespace] = {"": self._new()}

    def _new(self) -> Namespace:
        return Namespace(self.kind.vectors, METRICS[self.metric])

    @property
    def dimension(self) -> int | None:
        """How many numbers a dense vector has; None while that is open."""
        if self._given is None and not any(len(n.records.by_id) for n in self.namespaces.values()):
            self._found = None
        return self._given or self._found

    @property
    def weight(self) -> int:
        """About how many numbers it holds."""
        count = sum(len(each.records.by_id) for each in self.namespaces.values())
        return count * (self._given or self._found or 100)

    def expect(self, dimension: int) -> None:
        """Refuse dense vectors of another *dimension*, or settle on it while that is open."""
        expected = self.dimension
        if expected is None:
            self._found = dimension
        elif dimension != expected:
            raise wrong_dimension(dimension, expected)

    def namespace(self, name: str) -> Namespace:
        """Return a namespace, a new one if need be."""
        found = self.namespaces.get(name)
        if found is None:
            found = self.namespaces[name] = self._new()
        return found


class Asked(NamedTuple):
    """One request: which index and namespace, with what body, at what time."""

    index: Index
    namespace: str
    body: object
    options: Options
    now: float
    everything: bool = False
    """Whether the query string says ``all``."""

    @property
    def found(self) -> Namespace | None:
        """The namespace, if there is one."""
        return self.index.namespaces.get(self.namespace)

    @property
    def due(self) -> float:
        """When queries see what is written now."""
        return self.now + self.options.lag

    @property
    def drop_due(self) -> float | None:
        """When queries see what is deleted now; None is at once."""
        return self.due if self.options.stale_deletes else None


clock = time.monotonic
